"""UDP sockets that tell when a datagram arrived, by which way, and with what in its IP header."""

import asyncio
import selectors
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

IS_LINUX = sys.platform == "linux"
SO_RCVBUFFORCE, SO_TIMESTAMPNS, SO_RXQ_OVFL = 33, 35, 40
IP_TOS, IP_TTL, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS = 1, 2, 8, 12, 13
IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 49, 50, 51, 52
IPV6_RECVTCLASS, IPV6_TCLASS = 66, 67
TIMESPEC = struct.Struct("@ll")
INTEGER = struct.Struct("@i")
PACKET_INFO_IPV4 = struct.Struct("@I4s4s")
PACKET_INFO_IPV6 = struct.Struct("@16sI")
NANOSECONDS = 1_000_000_000
RECEIVE_BUFFER_BYTES = 1 << 20
DATAGRAM_BYTES = 1 << 16
ANCILLARY_BYTES = 512
RECEIVE_BATCH = 256
TIMES_TO_LIVE = {(socket.IPPROTO_IP, IP_TTL), (socket.IPPROTO_IPV6, IPV6_HOPLIMIT)}
TRAFFIC_CLASSES = {(socket.IPPROTO_IP, IP_TOS), (socket.IPPROTO_IPV6, IPV6_TCLASS)}

Ancillary = list[tuple[int, int, bytes]]


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram and where it came from.

    `kernel_ns` is when the kernel got it (CLOCK_REALTIME); None, as `time_to_live` and
    `traffic_class`, where the system does not tell. `reached` is where it arrived, for the answer
    to leave from there. `dropped_count` is how many datagrams the socket had no room for until
    then, None for none.
    """

    payload: bytes
    source: tuple[Any, ...]
    kernel_ns: int | None = None
    time_to_live: int | None = None
    traffic_class: int | None = None
    reached: bytes = b""
    dropped_count: int | None = None


def open_udp_socket(family: int) -> socket.socket:
    """A non-blocking UDP socket that on Linux stamps what it receives. Raises: OSError."""
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if IS_LINUX:
            with suppress(PermissionError):
                # Beyond the system's limit, which only root may exceed.
                opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
            opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            opened.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            level, wanted = socket.IPPROTO_IP, (IP_RECVTTL, IP_RECVTOS, IP_PKTINFO)
            if family == socket.AF_INET6:
                level = socket.IPPROTO_IPV6
                wanted = (IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO)
            for option in wanted:
                opened.setsockopt(level, option, 1)
    except OSError:
        opened.close()
        raise
    return opened


def receive_datagrams(opened: socket.socket) -> Iterator[Datagram]:
    """What lies in the socket now, up to a batch that leaves other work its turn.

    Raises: OSError when the socket has an error to tell, as a refusal of the other end.
    """
    for _ in range(RECEIVE_BATCH):
        try:
            payload, ancillary, _, source = opened.recvmsg(DATAGRAM_BYTES, ANCILLARY_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        yield describe_datagram(payload, ancillary, source)


def describe_datagram(payload: bytes, ancillary: Ancillary, source: tuple[Any, ...]) -> Datagram:
    """The datagram with what the kernel says beside it."""
    kernel_ns = time_to_live = traffic_class = dropped_count = None
    reached = b""
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = TIMESPEC.unpack_from(content)
            kernel_ns = seconds * NANOSECONDS + nanoseconds
        elif (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
            (dropped_count,) = INTEGER.unpack_from(content)
        elif (level, kind) in TIMES_TO_LIVE:
            (time_to_live,) = INTEGER.unpack_from(content)
        elif (level, kind) in TRAFFIC_CLASSES:
            # IPv4 has it as a byte, IPv6 as an integer of the host's order.
            traffic_class = INTEGER.unpack(content)[0] if len(content) > 1 else content[0]
        elif (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            reached = PACKET_INFO_IPV4.unpack_from(content)[1]
        elif (level, kind) == (socket.IPPROTO_IPV6, IPV6_PKTINFO):
            reached = PACKET_INFO_IPV6.unpack_from(content)[0]
    return Datagram(payload, source, kernel_ns, time_to_live, traffic_class, reached, dropped_count)


def send_answer(opened: socket.socket, payload: bytes, to: Datagram, traffic_class: int) -> None:
    """Answer a datagram from the address that it reached. Raises: OSError."""
    if not IS_LINUX:
        opened.sendto(payload, to.source)
        return
    is_ipv4 = opened.family == socket.AF_INET
    level = socket.IPPROTO_IP if is_ipv4 else socket.IPPROTO_IPV6
    ancillary = [(level, IP_TOS if is_ipv4 else IPV6_TCLASS, INTEGER.pack(traffic_class))]
    if is_ipv4 and to.reached:
        ancillary.append((level, IP_PKTINFO, PACKET_INFO_IPV4.pack(0, to.reached, bytes(4))))
    elif to.reached:
        ancillary.append((level, IPV6_PKTINFO, PACKET_INFO_IPV6.pack(to.reached, 0)))
    opened.sendmsg([payload], ancillary, 0, to.source)


async def receive_within(opened: socket.socket, seconds: float) -> bytes:
    """The next datagram; nothing when none came in that time, which a refusal makes no shorter."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            return await loop.sock_recv(opened, DATAGRAM_BYTES)
    except TimeoutError:
        return b""
    except OSError:
        await asyncio.sleep(seconds)
        return b""


def wait_until_writable(opened: socket.socket, seconds: float) -> None:
    """Until the socket takes a packet, at most for so long."""
    with selectors.DefaultSelector() as selector:
        selector.register(opened, selectors.EVENT_WRITE)
        selector.select(seconds)
