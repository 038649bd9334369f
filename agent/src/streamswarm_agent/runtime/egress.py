"""The egress policy: which addresses this agent may send to, whatever a test asks for."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

from streamswarm_agent.errors import NameNotResolved, StateUnusable, TargetRefused
from streamswarm_agent.probes.base import IpVersion

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Awaitable[list[str]]]

_FAMILIES = {"any": socket.AF_UNSPEC, "4": socket.AF_INET, "6": socket.AF_INET6}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


async def look_up_addresses(host: str, family: int) -> list[str]:
    """The addresses the system's resolver gives, in its order of preference.

    Raises: OSError (socket.gaierror) or UnicodeError when there are none.
    """
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def parse_networks(texts: Iterable[str], origin: str) -> tuple[Network, ...]:
    """The networks of a deny list.

    Raises: StateUnusable naming `origin` and the entry that is no network: a list that is not
    understood must not silently deny less.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            raise StateUnusable(f"{origin}: {error}") from error
    return tuple(networks)


def read_local_denials(deny_file: Path, configured: Iterable[str] = ()) -> tuple[Network, ...]:
    """What this host's owner denies: the configured networks and a file (lines, # comments)."""
    lines = deny_file.read_text(encoding="utf-8").splitlines() if deny_file.exists() else []
    entries = [line.partition("#")[0].strip() for line in lines]
    return (
        *parse_networks(configured, "policy.denied_networks"),
        *parse_networks((text for text in entries if text), str(deny_file)),
    )


class PolicyResolver:
    """Resolves targets to addresses outside of every denied network.

    The local list stands whatever the server says; the server's list comes on top of it.
    """

    def __init__(
        self, local_denials: tuple[Network, ...] = (), look_up: Lookup = look_up_addresses
    ) -> None:
        self._local_denials = local_denials
        self._server_denials: tuple[Network, ...] = ()
        self._look_up = look_up

    def replace_local_denials(self, networks: tuple[Network, ...]) -> None:
        """Deny these by the owner's word from now on."""
        self._local_denials = networks

    def replace_server_denials(self, networks: Iterable[str]) -> None:
        """Raises: StateUnusable when one is no network; the former list then stays."""
        self._server_denials = parse_networks(networks, "policy of the server")

    async def resolve(self, host: str, ip_version: IpVersion = "any") -> str:
        """The first allowed address of `host`, as text.

        Raises: NameNotResolved when there is none, TargetRefused when policy denies every one.
        """
        try:
            addresses = await self._look_up(host.strip("[]"), _FAMILIES[ip_version])
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise NameNotResolved(f"{host}: {reason}") from error
        for address in addresses:
            if self.find_denial(address) is None:
                return address
        if not addresses:
            raise NameNotResolved(f"{host} has no address")
        denial = self.find_denial(addresses[0])
        raise TargetRefused(f"{host} is {addresses[0]}, and policy denies {denial}")

    def find_denial(self, address: str) -> Network | None:
        """The denied network that holds the address or an IPv4 address inside of it."""
        for meant in _unwrap(ipaddress.ip_address(address)):
            for network in (*self._local_denials, *self._server_denials):
                if meant.version == network.version and meant in network:
                    return network
        return None


def _unwrap(address: Address) -> Iterator[Address]:
    """The address and what it leads to: loopback for `0.0.0.0`, the IPv4 address it carries."""
    yield address
    if address.is_unspecified:
        is_ipv4 = isinstance(address, ipaddress.IPv4Address)
        yield ipaddress.ip_address("127.0.0.1" if is_ipv4 else "::1")
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        is_global_form = int(address) > 1  # `::` and `::1` are addresses of their own
        if address in _NAT64 or (address in _IPV4_COMPATIBLE and is_global_form):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
