"""Whom a request comes from, for the doors of people and of agents alike."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_client_address(request: HttpRequest) -> str:
    """The IP address of the client, empty when it has none (a unix socket).

    `X-Forwarded-For` is read from the right and only as far as trusted proxies wrote it: whatever
    stands further left was sent by the client and may be anything.
    """
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    if address is None:
        return ""
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while hops and is_trusted(address):
        nearer = parse_address(hops.pop())
        if nearer is None:
            break
        address = nearer
    return str(address)


def parse_address(text: str) -> Address | None:
    """The address written in `text`; an IPv4 one even when it is wrapped in IPv6."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_trusted(address: Address) -> bool:
    """Whether a proxy that the settings name has that address."""
    return any(
        address in ipaddress.ip_network(network) for network in settings.SWARM_TRUSTED_PROXIES
    )
