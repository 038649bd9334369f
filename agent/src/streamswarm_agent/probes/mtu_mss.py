"""The segment size that a target announces, or that somebody on the way makes of it."""

import asyncio
import socket
import struct
from contextlib import suppress

from streamswarm_agent.probes.trace_flows import SocketFactory

TIMESTAMP_OPTION = 1
TIMESTAMP_BYTES = 12
OPTIONS_OFFSET = 5
SEND_MSS = struct.Struct("=16xI")


async def read_received_mss(
    address: str, port: int, timeout_seconds: float, open_socket: SocketFactory = socket.socket
) -> int | None:
    """The MSS in bytes that the other end of a TCP connection asks for; None without connection.

    That of the option in its SYN-ACK, as far as it is below what the own path allows: a smaller
    one than the path MTU implies tells of MSS clamping. Source: tcp(7), `struct tcp_info`.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    destination = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0][4]
    with suppress(OSError, TimeoutError), open_socket(family, socket.SOCK_STREAM, 0) as opened:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        async with asyncio.timeout(timeout_seconds):
            await asyncio.get_running_loop().sock_connect(opened, destination)
        return parse_send_mss(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104))
    return None


def parse_send_mss(information: bytes) -> int | None:
    """The segment size with the room that timestamps take; None for too little of `tcp_info`."""
    if len(information) < SEND_MSS.size:
        return None
    (size_bytes,) = SEND_MSS.unpack_from(information)
    has_timestamps = information[OPTIONS_OFFSET] & TIMESTAMP_OPTION
    return int(size_bytes) + (TIMESTAMP_BYTES if has_timestamps else 0)
