"""The ICMP errors about a socket's packets, which Linux keeps for its owner without privileges.

Sources: ip(7) and ipv6(7) (IP_RECVERR, IP_RECVTTL), `linux/errqueue.h`, RFC 4884.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamswarm_agent.probes.icmp_socket import (
    ANCILLARY_BYTES,
    EXTENDED_ERROR,
    INTEGER,
    IP_RECVERR,
    IP_RECVTTL,
    IP_TTL,
    IPV6_HOPLIMIT,
    IPV6_RECVERR,
    IPV6_RECVHOPLIMIT,
    MSG_ERRQUEUE,
    PACKET_BYTES,
    RECEIVE_BATCH,
    RECEIVED_ERRORS,
    SO_TIMESTAMPNS,
    Ancillary,
    read_ancillary,
    read_kernel_stamp,
    without_scope,
)

Origin = Literal["local", "icmp"]
ORIGINS: dict[int, Origin] = {1: "local", 2: "icmp", 3: "icmp"}
IP_RECVERR_RFC4884 = 26
IPV6_RECVERR_RFC4884 = 31
SOCKET_ADDRESS_OFFSETS = {socket.AF_INET: (4, 8), socket.AF_INET6: (8, 24)}
EXTENSION_OFFSET = struct.Struct("=HBB")


@dataclass(frozen=True, slots=True)
class PacketError:
    """What was said about a packet of ours, by whom and when.

    `quoted` is the packet after its UDP header, or from its ICMP or TCP header on, as far as the
    router quoted it. `mtu_bytes` belongs to the errors that say "too big". `extension_offset` is
    where in `quoted` an extension begins, 0 where the kernel saw none.
    """

    origin: Origin
    kind: int
    code: int
    offender: str
    quoted: bytes
    mtu_bytes: int = 0
    received_ttl: int | None = None
    kernel_nanoseconds: int | None = None
    extension_offset: int = 0


def keep_errors(opened: socket.socket) -> None:
    """Let the kernel keep the errors about the socket's packets, with stamps and received TTLs.

    Raises: OSError where the system knows no error queue.
    """
    is_ipv4 = opened.family == socket.AF_INET
    level = socket.IPPROTO_IP if is_ipv4 else socket.IPPROTO_IPV6
    opened.setsockopt(level, IP_RECVERR if is_ipv4 else IPV6_RECVERR, 1)
    opened.setsockopt(level, IP_RECVTTL if is_ipv4 else IPV6_RECVHOPLIMIT, 1)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        opened.setsockopt(level, IP_RECVERR_RFC4884 if is_ipv4 else IPV6_RECVERR_RFC4884, 1)
    except OSError:  # Linux before 5.9: extensions are then looked for where they usually begin
        return


def read_errors(opened: socket.socket) -> Iterator[PacketError]:
    """The errors kept until now, up to a batch that leaves other work its turn."""
    for _ in range(RECEIVE_BATCH):
        try:
            quoted, ancillary, *_ = opened.recvmsg(PACKET_BYTES, ANCILLARY_BYTES, MSG_ERRQUEUE)
        except OSError:
            return
        error = parse_error(quoted, ancillary)
        if error is not None:
            yield error


def parse_error(quoted: bytes, ancillary: Ancillary) -> PacketError | None:
    """The error that the kernel describes so; None for what is neither local nor of ICMP."""
    for level, kind, content in ancillary:
        if (level, kind) in RECEIVED_ERRORS and len(content) >= EXTENDED_ERROR.size:
            break
    else:
        return None
    _, origin, icmp_kind, code, _, mtu_bytes, _ = EXTENDED_ERROR.unpack_from(content)
    if origin not in ORIGINS:
        return None
    offset, _flags, _ = EXTENSION_OFFSET.unpack_from(content, EXTENDED_ERROR.size - 4)
    return PacketError(
        origin=ORIGINS[origin],
        kind=icmp_kind,
        code=code,
        offender=_read_address(content[EXTENDED_ERROR.size :]),
        quoted=quoted,
        mtu_bytes=mtu_bytes,
        received_ttl=read_received_ttl(ancillary),
        kernel_nanoseconds=read_kernel_stamp(ancillary),
        extension_offset=offset,
    )


def read_received_ttl(ancillary: Ancillary) -> int | None:
    """The TTL or hop limit that a packet had left; None when the kernel does not say."""
    return read_ancillary(ancillary)[1]


def with_ttl(family: socket.AddressFamily, ttl: int) -> tuple[int, int, bytes]:
    """The ancillary datum that lets one packet leave with this TTL or hop limit."""
    if family == socket.AF_INET:
        return socket.IPPROTO_IP, IP_TTL, INTEGER.pack(ttl)
    return socket.IPPROTO_IPV6, IPV6_HOPLIMIT, INTEGER.pack(ttl)


def set_ttl(opened: socket.socket, ttl: int) -> None:
    """Let all following packets of the socket leave with this TTL or hop limit."""
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def _read_address(content: bytes) -> str:
    """The address in a `sockaddr`, empty when there is none (errors of the host itself)."""
    if len(content) < INTEGER.size:
        return ""
    (family,) = struct.unpack_from("=H", content)
    start, end = SOCKET_ADDRESS_OFFSETS.get(family, (0, 0))
    if not start or len(content) < end:
        return ""
    return without_scope(socket.inet_ntop(family, content[start:end]))
