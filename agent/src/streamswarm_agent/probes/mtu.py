"""The `mtu` probe: the largest packet that a path carries whole, and who or what limits it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, cast

import psutil

from streamswarm_agent.errors import NameNotResolved, ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.icmp_packet import Family
from streamswarm_agent.probes.measures import sample_of
from streamswarm_agent.probes.mtu_mss import read_received_mss
from streamswarm_agent.probes.mtu_report import (
    LARGEST_BYTES,
    Inquiry,
    Link,
    describe_inquiry,
    explain_limit,
    measure_mtu,
)
from streamswarm_agent.probes.mtu_search import Search, Step
from streamswarm_agent.probes.mtu_socket import (
    Delivery,
    SizedSocket,
    prepare_socket,
    read_kernel_mtu,
)
from streamswarm_agent.probes.targets import parse_host
from streamswarm_agent.probes.trace_flows import Destination, SocketFactory

METHODS = {
    "auto": ("icmp_datagram", "icmp_raw", "udp"),
    "icmp": ("icmp_datagram", "icmp_raw"),
    "udp": ("udp",),
}
SMALLEST_BYTES = {socket.AF_INET: 576, socket.AF_INET6: 1280}
"""What each host must take (RFC 791), and each link of IPv6 carry (RFC 8200)."""
TRIES = 3
ROUND_TRIPS_WAITED = 4
LEAST_WAIT_SECONDS = 0.25
FARTHEST_HOPS = 64
SILENT_HOPS = 3


def find_link(local_address: str) -> Link | None:
    """The interface that has this address; None when the system does not tell."""
    statistics = psutil.net_if_stats()
    for name, addresses in psutil.net_if_addrs().items():
        known = {address.address.partition("%")[0] for address in addresses}
        if local_address.partition("%")[0] in known and name in statistics:
            return Link(name, statistics[name].mtu)
    return None


class MtuProbe:
    """Searches the largest packet that arrives whole, by answers from the other end (RFC 8899).

    What arrives is told by an echo reply (method `icmp`; it is as large as the request, so the
    way back counts too) or, where ICMP sockets are denied or stay silent, by the refusal of a
    closed UDP port (method `udp`; the way there alone). ICMP errors only say where to look: each
    size is tried itself, thrice before it counts as lost, so the result is exact with and without
    them. A size that vanishes without an ICMP error is a black hole (RFC 2923).
    `is_success`: the path MTU was found.
    """

    kind: ClassVar[str] = "mtu"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        open_socket: SocketFactory = socket.socket,
        find_link: Callable[[str], Link | None] = find_link,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._open_socket = open_socket
        self._find_link = find_link

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Search until the size is found or the run's time is over. Raises: ProbeFailed."""
        host = parse_host(request.target)
        try:
            address = await self._resolver.resolve(host, request.parameters["ip_version"])
        except NameNotResolved as error:
            inquiry = Inquiry("", request.parameters["method"], None, 0, reason=str(error))
        else:
            inquiry = await self._inquire(address, request)
        sample = sample_of(measure_mtu(inquiry))
        await emit(sample)
        return Outcome(
            is_success=inquiry.mtu_bytes is not None,
            method=inquiry.method,
            values=sample.values,
            absent=sample.absent,
            document=describe_inquiry(inquiry),
            reason=inquiry.reason,
        )

    async def _inquire(self, address: str, request: ProbeRequest) -> Inquiry:
        end = self._clock.monotonic() + request.duration_seconds
        refusals: list[str] = []
        inquiry = None
        for method in METHODS[request.parameters["method"]]:
            try:
                with self._open(method, address, request) as (sized, inquiry):
                    await _Course(self._clock, sized, inquiry, request, end).run()
            except (OSError, NotImplementedError) as error:
                refusals.append(f"{method}: {error}")
                continue
            if inquiry.tried and inquiry.tried[0]["verdict"] == "delivered":
                break
        if inquiry is None:
            raise ProbeFailed(f"no socket may be opened ({'; '.join(refusals)})")
        port = int(request.parameters["tcp_port"])
        if port:
            timeout_seconds = float(request.parameters["timeout_seconds"])
            found = await read_received_mss(address, port, timeout_seconds, self._open_socket)
            inquiry.mss = "T" if found is None else found
        return inquiry

    @contextmanager
    def _open(
        self, method: str, address: str, request: ProbeRequest
    ) -> Iterator[tuple[SizedSocket, Inquiry]]:
        family: Family = socket.AF_INET6 if ":" in address else socket.AF_INET
        is_ipv4 = family == socket.AF_INET
        kind = socket.SOCK_RAW if method == "icmp_raw" else socket.SOCK_DGRAM
        protocol = socket.IPPROTO_ICMP if is_ipv4 else socket.IPPROTO_ICMPV6
        port = int(request.parameters["udp_port"]) if method == "udp" else 0
        resolved = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )
        destination = cast("Destination", resolved[0][4])
        with self._open_socket(family, kind, 0 if method == "udp" else protocol) as opened:
            prepare_socket(opened, family, destination, is_raw=method == "icmp_raw")
            link = self._find_link(opened.getsockname()[0])
            inquiry = Inquiry(address, method, link, read_kernel_mtu(opened))
            sized = SizedSocket(opened, family, destination, self._clock.monotonic)
            try:
                yield sized, inquiry
            finally:
                sized.close()


class _Course:
    """One search over one socket, its finds noted in the inquiry."""

    def __init__(
        self,
        clock: Clock,
        sized: SizedSocket,
        inquiry: Inquiry,
        request: ProbeRequest,
        end: float,
    ) -> None:
        self._clock = clock
        self._sized = sized
        self._inquiry = inquiry
        self._end = end
        self._timeout_seconds = float(request.parameters["timeout_seconds"])
        self._wait_seconds = self._timeout_seconds
        is_ipv6 = ":" in inquiry.address
        self._smallest = SMALLEST_BYTES[socket.AF_INET6 if is_ipv6 else socket.AF_INET]
        link_bytes = inquiry.link.mtu_bytes if inquiry.link else LARGEST_BYTES
        asked = int(request.parameters["highest_bytes"])
        self._highest = min(asked or link_bytes, link_bytes, LARGEST_BYTES)
        self._lowest = min(max(int(request.parameters["lowest_bytes"]), self._smallest), link_bytes)

    async def run(self) -> None:
        inquiry = self._inquiry
        lowest = await self._find_lowest()
        if lowest is None:
            return
        search = Search(lowest, max(self._highest, lowest))
        while (step := search.find_next()) is not None:
            if self._clock.monotonic() >= self._end:
                inquiry.reason = (
                    "the run's time was over; the path carries"
                    f" {search.good_bytes} B and not {search.bad_bytes} B"
                )
                return
            self._note(search, step, await self._ask(step))
        inquiry.mtu_bytes = search.good_bytes
        inquiry.reason = explain_limit(inquiry)
        if inquiry.router is not None and search.bad_bytes <= self._highest:
            inquiry.hop = await self._find_hop(search.bad_bytes)

    async def _find_lowest(self) -> int | None:
        """A size that arrives, from which to search upwards; None when none does."""
        for size in sorted({self._lowest, self._smallest}, reverse=True):
            delivery = await self._ask(Step(size, is_careful=True))
            if delivery.verdict == "delivered":
                wait_seconds = max(ROUND_TRIPS_WAITED * delivery.seconds, LEAST_WAIT_SECONDS)
                self._wait_seconds = min(self._timeout_seconds, wait_seconds)
                return size
            if delivery.verdict == "too_big":
                self._inquiry.said.append(delivery)
        self._inquiry.reason = delivery.text or (
            f"no answer from {self._inquiry.address} to a packet of {self._smallest} B"
        )
        return None

    async def _ask(self, step: Step) -> Delivery:
        wait_seconds = self._timeout_seconds if step.is_careful else self._wait_seconds
        delivery = await self._sized.ask(step.size_bytes, [wait_seconds] * TRIES)
        self._inquiry.tried.append(
            {
                "size": step.size_bytes,
                "verdict": delivery.verdict,
                "address": delivery.address,
                "mtu": delivery.mtu_bytes,
            }
        )
        return delivery

    def _note(self, search: Search, step: Step, delivery: Delivery) -> None:
        if delivery.verdict == "delivered":
            search.note_delivered(step.size_bytes)
            self._inquiry.lost_bytes -= {step.size_bytes}
        elif delivery.verdict in {"too_big", "local"}:
            search.note_refused(step.size_bytes, delivery.mtu_bytes)
            if delivery.verdict == "too_big":
                self._inquiry.said.append(delivery)
        else:
            search.note_lost(step)
            self._inquiry.lost_bytes.add(step.size_bytes)

    async def _find_hop(self, size_bytes: int) -> int | None:
        """The hop that says "too big": that before the first TTL with which this is heard.

        A router looks at the TTL first, so the packet must have a hop more to get to the MTU.
        """
        silent_count = 0
        for ttl in range(1, FARTHEST_HOPS + 1):
            if silent_count == SILENT_HOPS or self._clock.monotonic() >= self._end:
                return None
            delivery = await self._sized.ask(size_bytes, [self._wait_seconds] * 2, ttl)
            if delivery.verdict == "too_big":
                return max(ttl - 1, 1)
            silent_count = silent_count + 1 if delivery.verdict == "lost" else 0
        return None
