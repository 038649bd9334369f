"""The way to the server, step by step: name, route, TLS, answer, key, clock."""

import email.utils
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from streamswarm_agent.cli.finding import Check
from streamswarm_agent.errors import AgentError, CallRefused
from streamswarm_agent.spool.state import Identity
from streamswarm_agent.transport.client import ConfigAnswer, ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http
from streamswarm_agent.wire.messages import Config

_TOLERATED_OFFSET_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_EXPIRES_SOON_DAYS = 14
_PORTS = {"http": 80, "https": 443}
_REMEDY = "check address, name service, firewall and certificate"


def check_way(identity: Identity, proxy: str | None) -> Iterator[Check]:
    """How the next hop is reached: its name, the address used towards it, and its certificate.

    The first step that fails is the last one told.
    """
    url = httpx.URL(proxy or identity.server_url)
    host, port = url.host, url.port or _PORTS[url.scheme]
    if proxy:
        yield Check("proxy", is_good=True, detail=f"{host}:{port} stands in between")
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = "check the address, and the name service of this host"
        yield Check("name", is_good=False, detail=f"{host}: {reason}", remedy=remedy)
        return
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    yield Check("name", is_good=True, detail=f"{host} is {', '.join(addresses)}")
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
    except OSError as error:
        detail = f"{host}:{port}: {error.strerror or error}"
        remedy = "check that the server runs, and the firewalls in between"
        yield Check("route", is_good=False, detail=detail, remedy=remedy)
        return
    with connection:
        here, there = connection.getsockname()[0], connection.getpeername()[0]
        yield Check("route", is_good=True, detail=f"from {here} to {there}:{port}")
        if url.scheme == "https":
            yield check_tls(connection, host, make_tls_context(str(url), identity.ca_file))


def check_tls(connection: socket.socket, host: str, trust: ssl.SSLContext) -> Check:
    """The certificate that the other end of an open connection shows."""
    try:
        with trust.wrap_socket(connection, server_hostname=host) as secured:
            version, certificate = secured.version(), secured.getpeercert() or {}
    except (ssl.SSLError, OSError) as error:
        detail = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        remedy = "name the authority's certificates with server.ca_file, or renew the server's"
        return Check("certificate", is_good=False, detail=str(detail), remedy=remedy)
    expires_at = datetime.fromtimestamp(
        ssl.cert_time_to_seconds(str(certificate.get("notAfter"))), UTC
    )
    days = (expires_at - datetime.now(UTC)).days
    return Check(
        "certificate",
        is_good=days >= _EXPIRES_SOON_DAYS,
        detail=f"{version}, valid until {expires_at:%Y-%m-%d} ({days} days)",
        remedy="renew the server's certificate",
        is_required=False,
    )


async def ask_server(identity: Identity, proxy: str | None) -> tuple[list[Check], Config | None]:
    """Whether the server takes the key, and its configuration if it does.

    No heartbeat is sent: a running agent must not share it.
    """
    url = identity.server_url
    try:
        http = open_http(url, make_tls_context(url, identity.ca_file), proxy=proxy)
        client = ServerClient(http, identity.key)
        try:
            begin = time.monotonic()
            answer = await client.fetch_config()
            journey_seconds = time.monotonic() - begin
        finally:
            await client.close()
    except CallRefused as error:
        reached = Check("server", is_good=True, detail=f"{url} answers")
        remedy = "enrol again with a new token" if error.code.startswith("key_") else ""
        return [reached, Check("key", is_good=False, detail=str(error), remedy=remedy)], None
    except AgentError as error:
        return [Check("server", is_good=False, detail=f"{url}: {error}", remedy=_REMEDY)], None
    return [
        Check("server", is_good=True, detail=f"{url} answered in {journey_seconds * 1000:.0f} ms"),
        Check("key", is_good=True, detail=f"accepted for client {identity.client_id}"),
        check_clock(_read_date(answer), now=time.time(), journey_seconds=journey_seconds),
    ], answer.config if answer else None


def _read_date(answer: ConfigAnswer | None) -> str:
    return answer.date if answer else ""


def check_clock(date: str, *, now: float, journey_seconds: float) -> Check:
    """Compare this host's clock with an answer's `Date`, which is cut to whole seconds."""
    try:
        server_seconds = email.utils.parsedate_to_datetime(date).timestamp() + 0.5
    except ValueError:
        detail = "the server did not say its time"
        return Check("clock", is_good=False, detail=detail, is_required=False)
    offset_seconds = server_seconds - (now - journey_seconds / 2)
    return Check(
        "clock",
        is_good=abs(offset_seconds) < _TOLERATED_OFFSET_SECONDS,
        detail=f"server minus host: {offset_seconds:+.1f} s (± {0.5 + journey_seconds / 2:.1f} s)",
        remedy="measurements are corrected; let NTP set the host's clock all the same",
        is_required=False,
    )
