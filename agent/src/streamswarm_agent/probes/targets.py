"""Targets as people type them, checked and brought into one form."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna

from streamswarm_agent.errors import ProbeFailed

MAX_HOST_LENGTH = 253
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
SCOPE = re.compile(r"[A-Za-z0-9._-]{1,32}")
URL_SAFE = "%/:=&?~+!$,;'@()*[]-._"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A URL in its parts; `host` is normalised, `resource` is path and query, ASCII only."""

    scheme: str
    host: str
    port: int
    resource: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return bracketed(self.host) + port

    @property
    def url(self) -> str:
        """The whole address again."""
        return f"{self.scheme}://{self.authority}{self.resource}"

    def url_at(self, address: str) -> str:
        """The URL with the host replaced by an IP address."""
        return f"{self.scheme}://{bracketed(address)}:{self.port}{self.resource}"


def parse_host(text: str, field: str = "target") -> str:
    """The host name in lower-case ASCII without a final dot, or the IP address in short form.

    Raises: ProbeFailed naming `field` for anything that could be taken for an option, a command,
    another notation of an address (`127.1`, `0x7f000001`), or that is no name of RFC 1123 (the
    underscore of service names is allowed).
    """
    if _has_odd_characters(text):
        raise ProbeFailed(f"{field}: spaces and control characters are not allowed")
    address = _parse_address(text)
    if address is not None:
        return address
    name = _to_ascii(text, field).removesuffix(".")
    if not name or len(name) > MAX_HOST_LENGTH:
        raise ProbeFailed(f"{field}: a host name has 1 to {MAX_HOST_LENGTH} characters")
    labels = name.split(".")
    if not all(LABEL.fullmatch(label) for label in labels):
        raise ProbeFailed(
            f"{field}: each part of a host name has 1 to 63 letters, digits or hyphens,"
            " and no hyphen at its ends"
        )
    if NUMERIC_LABEL.fullmatch(labels[-1]):
        raise ProbeFailed(f"{field}: neither a host name nor an IP address in its usual form")
    return name


def parse_web_address(text: str, field: str = "target") -> WebAddress:
    """The parts of an http or https URL.

    Raises: ProbeFailed naming `field` for other schemes, user names, odd characters or hosts.
    """
    if _has_odd_characters(text):
        raise ProbeFailed(f"{field}: spaces and control characters are not allowed")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ProbeFailed(f"{field}: no URL ({error})") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise ProbeFailed(f"{field}: only http and https URLs can be asked for")
    if parts.username is not None or parts.password is not None:
        raise ProbeFailed(f"{field}: a URL with a user name or password is not allowed")
    if not host:
        raise ProbeFailed(f"{field}: the URL names no host")
    return WebAddress(
        scheme=parts.scheme,
        host=parse_host(host, field),
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        resource=_resource_of(parts.path, parts.query),
    )


def is_address(host: str) -> bool:
    """Whether the host is an IP address, so that nothing is left to resolve."""
    return _parse_address(host) is not None


def bracketed(host: str) -> str:
    """The host as a URL has it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def _has_odd_characters(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)


def _parse_address(text: str) -> str | None:
    address, _, scope = text.partition("%")
    if "%" in text and not SCOPE.fullmatch(scope):
        return None
    try:
        return str(ipaddress.ip_address(text if scope else address))
    except ValueError:
        return None


def _to_ascii(name: str, field: str) -> str:
    if name.isascii():
        return name.lower()
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ProbeFailed(f"{field}: no valid international host name ({error})") from error


def _resource_of(path: str, query: str) -> str:
    resource = quote(path or "/", safe=URL_SAFE)
    return f"{resource}?{quote(query, safe=URL_SAFE)}" if query else resource
