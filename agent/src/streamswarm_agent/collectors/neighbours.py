"""The neighbour table of both IP families, asked of the kernel by rtnetlink(7)."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Protocol

NETLINK_ROUTE = 0
REQUEST, DUMP = 0x1, 0x300
DONE, ERROR, NEW_NEIGHBOUR, GET_NEIGHBOUR = 3, 2, 28, 30
STATE_INCOMPLETE, STATE_FAILED = 0x01, 0x20
HEADER = struct.Struct("=IHHII")
NEIGHBOUR = struct.Struct("=BxxxiHBB")
RECEIVE_BYTES = 65_536
PATIENCE_SECONDS = 2.0
ALIGNMENT = 4


class KernelSocket(Protocol):
    """What is asked of a netlink socket."""

    def settimeout(self, seconds: float, /) -> None:
        """As `socket.socket.settimeout`."""

    def send(self, message: bytes, /) -> int:
        """As `socket.socket.send`."""

    def recv(self, size: int, /) -> bytes:
        """As `socket.socket.recv`."""

    def close(self) -> None:
        """As `socket.socket.close`."""


def open_kernel() -> KernelSocket:
    """A socket to rtnetlink, which needs no rights. Raises: OSError outside Linux."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError("this system has no netlink")
    return socket.socket(family, socket.SOCK_RAW, NETLINK_ROUTE)


def count_failed_neighbours(open_socket: Callable[[], KernelSocket] = open_kernel) -> int:
    """Neighbours whose address did not resolve, IPv4 and IPv6 together.

    Raises: OSError when the kernel does not say.
    """
    with closing(open_socket()) as kernel:
        kernel.settimeout(PATIENCE_SECONDS)
        length = HEADER.size + NEIGHBOUR.size
        header = HEADER.pack(length, GET_NEIGHBOUR, REQUEST | DUMP, 1, 0)
        kernel.send(header + NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        failed = STATE_FAILED | STATE_INCOMPLETE
        return sum(bool(state & failed) for state in _read_states(kernel))


def _read_states(kernel: KernelSocket) -> Iterator[int]:
    """The state of each neighbour until the kernel says that these were all."""
    while True:
        packet = kernel.recv(RECEIVE_BYTES)
        if not packet:
            raise OSError("the kernel sent nothing")
        place = 0
        while place + HEADER.size <= len(packet):
            length, kind, _flags, _sequence, _port = HEADER.unpack_from(packet, place)
            if kind == DONE:
                return
            if kind == ERROR or length < HEADER.size:
                raise OSError("the kernel refused the neighbour table")
            if kind == NEW_NEIGHBOUR and length >= HEADER.size + NEIGHBOUR.size:
                _family, _index, state, _flags, _type = NEIGHBOUR.unpack_from(
                    packet, place + HEADER.size
                )
                yield state
            place += -(-length // ALIGNMENT) * ALIGNMENT
