"""Networks of routers between a source and a target: a chain of hops, and equal paths."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Interface
from itertools import pairwise
from typing import Any

from streamswarm_agent.laboratory.namespaces import Namespace, open_namespaces
from streamswarm_agent.laboratory.path import (
    Addresses,
    FaultyPath,
    Link,
    give_addresses,
    join_hosts,
    number_link,
)

SOURCE, TARGET = "source", "target"
ROUTER_SETTINGS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    # An error comes from the address at which the packet came in: each hop has one name.
    "net.ipv4.icmp_errors_use_inbound_ifaddr": "1",
    # Paths are chosen by addresses, protocol and ports, the same way at every run. Policy 1 would
    # take the hash of the sending socket, which on one machine comes along with the packet.
    "net.ipv4.fib_multipath_hash_policy": "3",
    "net.ipv4.fib_multipath_hash_fields": str(0x01 | 0x02 | 0x04 | 0x10 | 0x20),
    "net.ipv4.fib_multipath_hash_seed": "1",
}
FIRST_LEFT_LINK, FIRST_RIGHT_LINK, LAST_LINK = 10, 100, 200


@dataclass(frozen=True, slots=True)
class Topology:
    """Hosts by name, and the truth about the ways between `source` and `target`.

    `paths`: for each way the IPv4 addresses that a tracer meets, hop by hop; the last is the
    target's. `paths_ipv6` the same, empty where the laboratory has no IPv6. `faults`: the link of
    a chain that can be impaired, forward being from source to target.
    """

    hosts: Mapping[str, Namespace]
    paths: Sequence[Sequence[str]]
    paths_ipv6: Sequence[Sequence[str]] = ()
    faults: FaultyPath | None = None

    @property
    def target(self) -> str:
        """The target's IPv4 address."""
        return self.paths[0][-1]

    @property
    def target_ipv6(self) -> str:
        """The target's IPv6 address."""
        return self.paths_ipv6[0][-1]

    @property
    def hops(self) -> list[frozenset[str]]:
        """The IPv4 addresses that may answer at each distance, 1 first."""
        return [frozenset(hop) for hop in zip(*self.paths, strict=True)]

    def run_in(self, name: str, argv: Sequence[str], **options: Any) -> str:
        """As `Namespace.run` on the host of that name."""
        return self.hosts[name].run(argv, **options)

    def start_in(self, name: str, argv: Sequence[str], **options: Any) -> Any:
        """As `Namespace.start` on the host of that name."""
        return self.hosts[name].start(argv, **options)


@contextmanager
def open_chain(
    hop_count: int, *, mtu_bytes: Mapping[int, int] | None = None, faulty_link: int | None = None
) -> Iterator[Topology]:
    """`source`, `hop1` to `hopN`, `target` in a row, by IPv4 and IPv6, until the block ends.

    Link 0 leads from the source to `hop1`, link `hop_count` to the target. `mtu_bytes`: the MTU by
    link, 1500 for those not named. `faulty_link`: this link is a bridge, see `Topology.faults`.
    Raises: LaboratoryFailed.
    """
    names = [SOURCE, *(f"hop{number}" for number in range(1, hop_count + 1)), TARGET]
    links = [
        number_link(place, (mtu_bytes or {}).get(place, 1500)) for place in range(len(names) - 1)
    ]
    with open_namespaces(*names) as hosts:
        for name in names[1:-1]:
            hosts[name].configure(ROUTER_SETTINGS)
        row = [hosts[name] for name in names]
        for place, (near, far) in enumerate(pairwise(row)):
            if place != faulty_link:
                _cable(near, far, links[place], f"link{place}")
        with _join_if_wanted(row, links, faulty_link) as faults:
            for place, host in enumerate(row):
                _route_in_chain(host, links, place)
            paths = [[link.far.ipv4 for link in links]]
            yield Topology(hosts, paths, [[link.far.ipv6 for link in links]], faults)


@contextmanager
def open_equal_paths(width: int) -> Iterator[Topology]:
    """`source`, `entry`, `middle1` to `middleN` side by side, `exit`, `target`; IPv4 only.

    `entry` and `exit` choose among the middles by addresses and ports (ECMP). Until the block ends.
    Raises: LaboratoryFailed.
    """
    middles = [f"middle{number}" for number in range(1, width + 1)]
    left = [number_link(FIRST_LEFT_LINK + place) for place in range(width)]
    right = [number_link(FIRST_RIGHT_LINK + place) for place in range(width)]
    first, last = number_link(0), number_link(LAST_LINK)
    with open_namespaces(SOURCE, "entry", *middles, "exit", TARGET) as hosts:
        for name in ("entry", *middles, "exit"):
            hosts[name].configure(ROUTER_SETTINGS)
        _cable(hosts[SOURCE], hosts["entry"], first, "first")
        _cable(hosts["exit"], hosts[TARGET], last, "last")
        for place, name in enumerate(middles):
            _cable(hosts["entry"], hosts[name], left[place], f"left{place}")
            _cable(hosts[name], hosts["exit"], right[place], f"right{place}")
            _route(hosts[name], _network(last), right[place].far.ipv4)
            _route(hosts[name], _network(first), left[place].near.ipv4)
            _route(hosts["entry"], _network(right[place]), left[place].far.ipv4)
        _route(hosts[SOURCE], "default", first.far.ipv4)
        _route(hosts[TARGET], "default", last.near.ipv4)
        _route(hosts["entry"], _network(last), *(link.far.ipv4 for link in left))
        _route(hosts["exit"], _network(first), *(link.near.ipv4 for link in right))
        yield Topology(
            hosts,
            [
                [first.far.ipv4, one.far.ipv4, other.far.ipv4, last.far.ipv4]
                for one, other in zip(left, right, strict=True)
            ],
        )


@contextmanager
def _join_if_wanted(
    row: Sequence[Namespace], links: Sequence[Link], place: int | None
) -> Iterator[FaultyPath | None]:
    if place is None:
        yield None
        return
    with join_hosts(row[place], row[place + 1], links[place]) as faults:
        yield faults


def _cable(near: Namespace, far: Namespace, link: Link, device: str) -> None:
    """A pair of devices with the link's addresses, called alike at both ends."""
    mtu = ["mtu", str(link.mtu_bytes)]
    peer = ["peer", "name", device, "netns", far.name, *mtu]
    near.run(["ip", "link", "add", device, *mtu, "type", "veth", *peer])
    give_addresses(near, device, link.near)
    give_addresses(far, device, link.far)


def _route_in_chain(host: Namespace, links: Sequence[Link], place: int) -> None:
    """Onwards by default, and back to each link that lies behind."""
    for address, network in ((_ipv4, _network), (_ipv6, _network_ipv6)):
        if place < len(links):
            _route(host, "default", address(links[place].far))
        for behind in links[: max(place - 1, 0)]:
            _route(host, network(behind), address(links[place - 1].near))


def _route(host: Namespace, network: str, *gateways: str) -> None:
    version = "-6" if ":" in gateways[0] else "-4"
    hops = [word for gateway in gateways for word in ("nexthop", "via", gateway)]
    host.run(["ip", version, "route", "add", network, *hops])


def _network(link: Link) -> str:
    return f"{link.near.ipv4.rpartition('.')[0]}.0/24"


def _network_ipv6(link: Link) -> str:
    return str(IPv6Interface(f"{link.near.ipv6}/64").network)


def _ipv4(addresses: Addresses) -> str:
    return addresses.ipv4


def _ipv6(addresses: Addresses) -> str:
    return addresses.ipv6
