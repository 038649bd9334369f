"""How long the next hop takes to answer on the own link, where no router's processor interferes.

Source: RFC 826. The next hop is the gateway, or the target itself when it is on the link.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Callable

from streamswarm_agent.collectors.routes import NextHop, find_next_hop
from streamswarm_agent.probes.icmp_socket import (
    ANCILLARY_BYTES,
    RECEIVE_BATCH,
    SO_TIMESTAMPNS,
    read_kernel_stamp,
)
from streamswarm_agent.probes.icmp_time import HostClocks, round_trip_seconds
from streamswarm_agent.probes.measures import Measure
from streamswarm_agent.probes.statistics import percentile

ARP_PROTOCOL = 0x0806
ARP = struct.Struct("!HHBBH6s4s6s4s")
ETHERNET, IPV4_PROTOCOL, REQUEST, REPLY = 1, 0x0800, 1, 2
HARDWARE_BYTES, IPV4_BYTES = 6, 4
BROADCAST = b"\xff" * HARDWARE_BYTES
TRIES = 3
PATIENCE_SECONDS = 1.0
REUSED_SECONDS = 10.0
LOOPBACK = "127."

LinkOpener = Callable[[int], socket.socket]
RouteFinder = Callable[[str], NextHop | None]


def open_link_socket(interface_index: int) -> socket.socket:
    """A socket for ARP on that interface, which needs CAP_NET_RAW. Raises: OSError."""
    family = getattr(socket, "AF_PACKET", None)
    if sys.platform != "linux" or family is None:
        raise OSError("only Linux offers this")
    opened = socket.socket(family, socket.SOCK_DGRAM, 0)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        opened.bind((socket.if_indextoname(interface_index), ARP_PROTOCOL))
    except OSError:
        opened.close()
        raise
    return opened


class LinkTimer:
    """Times the next hops of all pings; those with the same one within seconds share a figure."""

    def __init__(
        self,
        open_socket: LinkOpener = open_link_socket,
        find_route: RouteFinder = find_next_hop,
        clocks: HostClocks | None = None,
    ) -> None:
        self._open_socket = open_socket
        self._find_route = find_route
        self._clocks = clocks or HostClocks()
        self._known: dict[NextHop, tuple[float, asyncio.Task[Measure]]] = {}

    def find(self, address: str) -> NextHop | None:
        """Who gets the packets to the address on the own link.

        None for IPv6, which has no ARP, and for what does not leave this host.
        """
        if ":" in address or address.startswith(LOOPBACK):
            return None
        try:
            return self._find_route(address)
        except (OSError, ValueError):
            return None

    async def measure(self, hop: NextHop) -> Measure:
        """Median seconds until the next hop answers an ARP request.

        N for a link without ARP, P without the privilege, T when nobody answers.
        """
        now = asyncio.get_running_loop().time()
        self._known = {
            key: (at, task)
            for key, (at, task) in self._known.items()
            if now - at < REUSED_SECONDS or not task.done()
        }
        if hop not in self._known:
            self._known[hop] = now, asyncio.create_task(self._time(hop))
        return await asyncio.shield(self._known[hop][1])

    async def _time(self, hop: NextHop) -> Measure:
        # Binding and closing such a socket make the kernel wait for all its processors.
        try:
            opened = await asyncio.to_thread(self._open_socket, hop.interface_index)
        except PermissionError:
            return "P"
        except OSError:
            return "N"
        try:
            _name, _protocol, _kind, link_kind, own_hardware = opened.getsockname()[:5]
            if link_kind != ETHERNET or len(own_hardware) != HARDWARE_BYTES:
                return "N"
            found = [await self._ask(opened, hop, own_hardware) for _ in range(TRIES)]
        finally:
            await asyncio.to_thread(opened.close)
        answered = [seconds for seconds in found if seconds is not None]
        return percentile(answered, 0.5) if answered else "T"

    async def _ask(self, opened: socket.socket, hop: NextHop, own_hardware: bytes) -> float | None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[float] = loop.create_future()
        place = (opened.getsockname()[0], ARP_PROTOCOL, 0, ETHERNET, BROADCAST)

        def receive() -> None:
            for _ in range(RECEIVE_BATCH):
                try:
                    packet, ancillary, *_ = opened.recvmsg(ARP.size, ANCILLARY_BYTES)
                except OSError:
                    return
                if is_answer(packet, hop) and not answer.done():
                    stamp = read_kernel_stamp(ancillary)
                    answer.set_result(round_trip_seconds(sent, self._clocks.read(), stamp))

        loop.add_reader(opened, receive)
        try:
            sent = self._clocks.read()
            opened.sendto(build_request(hop, own_hardware), place)
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await answer
        except (OSError, TimeoutError):
            return None
        finally:
            loop.remove_reader(opened)


def build_request(hop: NextHop, own_hardware: bytes) -> bytes:
    """The question who has the next hop's address."""
    own, wanted = socket.inet_aton(hop.own_address), socket.inet_aton(hop.address)
    head = (ETHERNET, IPV4_PROTOCOL, HARDWARE_BYTES, IPV4_BYTES, REQUEST)
    return ARP.pack(*head, own_hardware, own, bytes(HARDWARE_BYTES), wanted)


def is_answer(packet: bytes, hop: NextHop) -> bool:
    """Whether the packet is the next hop's answer to us."""
    if len(packet) < ARP.size:
        return False
    *head, _hardware, sender, _own_hardware, receiver = ARP.unpack_from(packet)
    return (
        head == [ETHERNET, IPV4_PROTOCOL, HARDWARE_BYTES, IPV4_BYTES, REPLY]
        and sender == socket.inet_aton(hop.address)
        and receiver == socket.inet_aton(hop.own_address)
    )
