"""Connections to the server that obey nothing but their arguments: no environment, no netrc."""

import ssl

import certifi
import httpx

from streamswarm_agent import __version__
from streamswarm_agent.errors import AgentError

USER_AGENT = f"streamswarm-agent/{__version__}"
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def check_server_url(text: str) -> str:
    """The server's address without a trailing slash.

    Raises: AgentError when it is no http or https URL with a host.
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL as error:
        raise AgentError(f"server: {text!r} is no URL: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise AgentError(f"server: {text!r} must look like https://swarm.example.org")
    return str(url).rstrip("/")


def make_tls_context(server_url: str, ca_file: str | None) -> ssl.SSLContext:
    """What to trust: the given file, else the system's store, else certifi's.

    For plain http the context trusts nobody, and no store is loaded.
    Raises: AgentError when the file holds no certificates.
    """
    if not server_url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file is not None:
            return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise AgentError(f"ca-file: {ca_file}: {error}") from error
    paths = ssl.get_default_verify_paths()
    is_system_store_present = bool(paths.cafile or paths.capath)
    return ssl.create_default_context(cafile=None if is_system_store_present else certifi.where())


def open_http(
    server_url: str, tls: ssl.SSLContext, *, proxy: str | None = None
) -> httpx.AsyncClient:
    """A client for one server; it follows no redirect and reads no environment."""
    return httpx.AsyncClient(
        base_url=server_url,
        verify=tls,
        proxy=proxy,
        timeout=_TIMEOUT,
        trust_env=False,
        follow_redirects=False,
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        limits=httpx.Limits(max_connections=4, keepalive_expiry=60.0),
    )
