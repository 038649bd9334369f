"""At which address one client finds another, from what both said of their interfaces."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Reason = Literal["test", "client", "network", "site", "global", "seen", "only", "none"]

# Inventories name no prefix lengths; these are the usual ones of a local network.
NETWORK_PREFIXES = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of where a client is: its interfaces, whence it calls, and what was said."""

    interface_addresses: tuple[str, ...] = ()
    seen_address: str = ""
    said_address: str = ""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """An address and why it was chosen; an empty address says that none is known."""

    address: str
    reason: Reason


def choose_address(
    initiator: Whereabouts, peer: Whereabouts, *, override: str = "", ip_version: str = "any"
) -> PeerAddress:
    """Where the initiator finds its peer.

    First what the test says, then what the peer's record says. Then an address of the peer's
    interfaces: one in a network of the initiator's, a private one when the server sees both behind
    the same address, a global one; then the address from which the server sees the peer.
    """
    if override:
        return PeerAddress(override, "test")
    if peer.said_address:
        return PeerAddress(peer.said_address, "client")
    theirs = list_usable(peer.interface_addresses, ip_version)
    ours = list_usable(initiator.interface_addresses, ip_version)
    networks = {find_network(own) for own in ours}
    near = [one for one in theirs if find_network(one) in networks]
    is_same_site = peer.seen_address != "" and peer.seen_address == initiator.seen_address
    choices: tuple[tuple[Reason, list[Address]], ...] = (
        ("network", near),
        ("site", theirs if is_same_site else []),
        ("global", [address for address in theirs if address.is_global]),
        ("seen", list_usable([peer.seen_address], ip_version, with_loopback=True)),
        ("only", theirs),
    )
    return next(
        (PeerAddress(str(found[0]), reason) for reason, found in choices if found),
        PeerAddress("", "none"),
    )


def list_usable(
    texts: Iterable[str], ip_version: str, *, with_loopback: bool = False
) -> list[Address]:
    """Those that another host can reach at all, IPv4 first, in the order given."""
    found = []
    for text in texts:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        is_hidden = address.is_link_local or address.is_multicast or address.is_unspecified
        is_hidden |= address.is_loopback and not with_loopback
        if not is_hidden and ip_version in {"any", str(address.version)}:
            found.append(address)
    return sorted(found, key=lambda address: address.version)


def find_network(address: Address) -> tuple[int, int]:
    """The local network that an address is of, as far as it alone can tell: version and prefix."""
    free_bits = address.max_prefixlen - NETWORK_PREFIXES[address.version]
    return address.version, int(address) >> free_bits
