"""ICMP sockets: opening them, and reading packets with what the kernel adds."""

import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from streamswarm_agent.probes.icmp_packet import (
    ECHO_REPLY,
    ERRORS,
    EchoError,
    Family,
    parse_quoted_request,
)

Method = Literal["icmp_raw", "icmp_datagram"]
Ancillary = Sequence[tuple[int, int, bytes]]

IS_LINUX = sys.platform == "linux"
SO_TIMESTAMPNS = 35
SOL_RAW = 255
ICMP_FILTER = 1
SOL_SOCKET = int(socket.SOL_SOCKET)
IP_TTL, IP_RECVTTL = 2, 12
IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT = 51, 52
INTEGER = struct.Struct("=i")
IP_RECVERR = 11
IPV6_RECVERR = 25
MSG_ERRQUEUE = 0x2000
EXTENDED_ERROR = struct.Struct("=IBBBBII")
ICMP_ORIGINS = frozenset({2, 3})
TIMESPEC = struct.Struct("@ll")
RECEIVE_BUFFER_BYTES = 1 << 20
PACKET_BYTES = 1 << 14
ANCILLARY_BYTES = 512
RECEIVE_BATCH = 1024


class Received(NamedTuple):
    """A packet, the address it came from, and when the kernel got it (CLOCK_REALTIME).

    `ttl` is how many hops it had left; None where the system does not tell.
    """

    packet: bytes
    source: str
    kernel_nanoseconds: int | None
    ttl: int | None = None


def open_icmp_socket(family: Family, method: Method) -> socket.socket:
    """A non-blocking ICMP socket that on Linux stamps what it receives and drops what is no echo.

    Raises: OSError when the system or the privileges of the process do not allow it.
    """
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    kind = socket.SOCK_RAW if method == "icmp_raw" else socket.SOCK_DGRAM
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if IS_LINUX:
            _set_linux_options(opened, family, method)
    except OSError:
        opened.close()
        raise
    return opened


def set_traffic_class(opened: socket.socket, traffic_class: int) -> None:
    """Let all following packets carry this DSCP and ECN byte."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class)
    else:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, traffic_class)


def receive_packets(opened: socket.socket) -> Iterator[Received]:
    """What lies in the socket now, up to a batch that leaves other work its turn."""
    for _ in range(RECEIVE_BATCH):
        try:
            packet, ancillary, _, address = opened.recvmsg(PACKET_BYTES, ANCILLARY_BYTES)
        except OSError:  # nothing left, or an error whose details lie in the error queue
            return
        stamp, ttl = read_ancillary(ancillary)
        yield Received(packet, without_scope(address[0]), stamp, ttl)


def receive_errors(opened: socket.socket, family: Family) -> Iterator[EchoError]:
    """The ICMP errors that the kernel keeps for a datagram socket (ip(7), IP_RECVERR)."""
    for _ in range(RECEIVE_BATCH):
        try:
            message, ancillary, _, address = opened.recvmsg(
                PACKET_BYTES, ANCILLARY_BYTES, MSG_ERRQUEUE
            )
        except OSError:
            return
        for level, kind, content in ancillary:
            if (level, kind) not in RECEIVED_ERRORS or len(content) < EXTENDED_ERROR.size:
                continue
            _, origin, icmp_kind, code, *_ = EXTENDED_ERROR.unpack_from(content)
            destination = without_scope(address[0])
            error = parse_quoted_request(family, destination, message, icmp_kind, code)
            if origin in ICMP_ORIGINS and error is not None:
                yield error


def without_scope(address: str) -> str:
    """The address without the interface that an IPv6 link-local one may name."""
    return address.partition("%")[0]


RECEIVED_TTLS = frozenset({(socket.IPPROTO_IP, IP_TTL), (socket.IPPROTO_IPV6, IPV6_HOPLIMIT)})
RECEIVED_ERRORS = frozenset({(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)})


def _set_linux_options(opened: socket.socket, family: Family, method: Method) -> None:
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    is_ipv4 = family == socket.AF_INET
    level = socket.IPPROTO_IP if is_ipv4 else socket.IPPROTO_IPV6
    if method == "icmp_datagram" or not is_ipv4:  # a raw IPv4 socket shows the whole header
        opened.setsockopt(level, IP_RECVTTL if is_ipv4 else IPV6_RECVHOPLIMIT, 1)
    if method == "icmp_datagram":
        opened.setsockopt(level, IP_RECVERR if is_ipv4 else IPV6_RECVERR, 1)
        return
    wanted = {ECHO_REPLY[family], *ERRORS[family]}
    blocked = sum(1 << kind for kind in range(256) if kind not in wanted)
    if family == socket.AF_INET:
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", blocked & 0xFFFFFFFF))
    else:
        words = [blocked >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)]
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMP_FILTER, struct.pack("=8I", *words))


def read_kernel_stamp(ancillary: Ancillary) -> int | None:
    """When the kernel got the packet (CLOCK_REALTIME); None where it does not stamp."""
    return read_ancillary(ancillary)[0]


def read_ancillary(ancillary: Ancillary) -> tuple[int | None, int | None]:
    """When the kernel got the packet and how many hops it had left, None where it does not say."""
    stamp = ttl = None
    for level, kind, content in ancillary:
        if level == SOL_SOCKET:
            if kind == SO_TIMESTAMPNS and len(content) >= TIMESPEC.size:
                seconds, nanoseconds = TIMESPEC.unpack_from(content)
                stamp = seconds * 1_000_000_000 + nanoseconds
        elif (level, kind) in RECEIVED_TTLS and len(content) >= INTEGER.size:
            (ttl,) = INTEGER.unpack_from(content)
    return stamp, ttl
