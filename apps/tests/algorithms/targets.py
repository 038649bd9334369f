"""What may be a target: judged by its form alone, without asking the network."""

import ipaddress
import re
from urllib.parse import urlsplit

OWN_HOST = "agent"
MAXIMUM_NAME_LENGTH = 253
MAXIMUM_URL_LENGTH = 2048
BRACKETED_PATTERN = re.compile(r"^\[.*\]$")
# Resolvers read these as parts of an IPv4 address (inet_aton).
NUMBER_PATTERN = re.compile(r"^(\d+|0x[0-9a-f]*)$")
LABEL_PATTERN = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)$", re.IGNORECASE)


def normalise_host(text: str) -> str:
    """The host name in lower case without a trailing dot, or the IP address in canonical form.

    Raises: ValueError saying which rule of RFC 1123 is broken.
    """
    host = text.strip()
    try:
        return str(ipaddress.ip_address(host[1:-1] if BRACKETED_PATTERN.match(host) else host))
    except ValueError:
        pass
    name = host.rstrip(".").lower()
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        raise ValueError("is no valid international host name") from None
    if not 1 <= len(name) <= MAXIMUM_NAME_LENGTH:
        raise ValueError(
            f"must be a host name of 1 to {MAXIMUM_NAME_LENGTH} characters or an IP address"
        )
    labels = name.split(".")
    if not all(LABEL_PATTERN.match(label) for label in labels):
        raise ValueError(
            "is neither a host name (letters, digits, hyphens, dots) nor an IP address"
        )
    if NUMBER_PATTERN.match(labels[-1]):
        raise ValueError("ends in a number but is no IPv4 address")
    return name


def normalise_url(text: str) -> str:
    """The URL with its host normalised.

    Raises: ValueError for anything but http and https with a host, or with a password in it.
    """
    url = text.strip()
    if len(url) > MAXIMUM_URL_LENGTH or not url.isprintable() or " " in url:
        raise ValueError(f"must be a URL of at most {MAXIMUM_URL_LENGTH} printable characters")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password:
        raise ValueError("must not contain a user name or password")
    host = normalise_host(parts.hostname)
    _port = parts.port  # raises ValueError itself when the port is no number from 0 to 65535
    netloc = f"[{host}]" if ":" in host else host
    if parts.port:
        netloc = f"{netloc}:{parts.port}"
    return parts._replace(netloc=netloc, path=parts.path or "/", fragment="").geturl()


def normalise_target(form: str, text: str) -> str:
    """The target of a test in canonical form; `form` is host, resolver, url or agent.

    Raises: ValueError saying what is wrong.
    """
    if form == "url":
        return normalise_url(text)
    if form == "resolver" and text.strip().lower() == "system":
        return "system"
    if form == "agent":
        if text.strip().lower() != OWN_HOST:
            raise ValueError(f"must be {OWN_HOST!r}, which stands for the agent's own host")
        return OWN_HOST
    return normalise_host(text)
