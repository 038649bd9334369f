"""The way that packets to an address leave this host by, asked of the kernel by rtnetlink(7)."""

import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from streamswarm_agent.collectors.neighbours import (
    ALIGNMENT,
    ERROR,
    HEADER,
    PATIENCE_SECONDS,
    RECEIVE_BYTES,
    REQUEST,
    KernelSocket,
    open_kernel,
)

GET_ROUTE, NEW_ROUTE = 26, 24
ROUTE = struct.Struct("=BBBBBBBBI")
ATTRIBUTE = struct.Struct("=HH")
INDEX = struct.Struct("=i")
DESTINATION, INTERFACE, GATEWAY, PREFERRED_SOURCE = 1, 4, 5, 7
IPV4_BITS = 32
ROUTE_TYPE_OFFSET, UNICAST = 7, 1


@dataclass(frozen=True, slots=True)
class NextHop:
    """The interface by its index, who gets the packets on its link, and our own address there.

    `address` is the gateway's, or the destination's own when it is on the link.
    """

    interface_index: int
    address: str
    own_address: str


def find_next_hop(
    address: str, open_socket: Callable[[], KernelSocket] = open_kernel
) -> NextHop | None:
    """Where packets to an IPv4 address go first; None when they do not leave this host.

    Raises: OSError when the kernel does not say; ValueError for what is no IPv4 address.
    """
    destination = ipaddress.IPv4Address(address).packed
    attribute = ATTRIBUTE.pack(ATTRIBUTE.size + len(destination), DESTINATION) + destination
    length = HEADER.size + ROUTE.size + len(attribute)
    message = (
        HEADER.pack(length, GET_ROUTE, REQUEST, 1, 0)
        + ROUTE.pack(socket.AF_INET, IPV4_BITS, 0, 0, 0, 0, 0, 0, 0)
        + attribute
    )
    with closing(open_socket()) as kernel:
        kernel.settimeout(PATIENCE_SECONDS)
        kernel.send(message)
        answer = kernel.recv(RECEIVE_BYTES)
    return _read_route(answer, destination)


def _read_route(answer: bytes, destination: bytes) -> NextHop | None:
    if len(answer) < HEADER.size:
        raise OSError("the kernel sent nothing")
    length, kind, _flags, _sequence, _port = HEADER.unpack_from(answer)
    if kind == ERROR:
        return None
    if kind != NEW_ROUTE or not HEADER.size + ROUTE.size <= length <= len(answer):
        raise OSError("the kernel sent no route")
    if answer[HEADER.size + ROUTE_TYPE_OFFSET] != UNICAST:
        return None
    found = dict(_list_attributes(answer[HEADER.size + ROUTE.size : length]))
    if INTERFACE not in found or PREFERRED_SOURCE not in found:
        return None
    return NextHop(
        interface_index=INDEX.unpack(found[INTERFACE])[0],
        address=socket.inet_ntoa(found.get(GATEWAY, destination)),
        own_address=socket.inet_ntoa(found[PREFERRED_SOURCE]),
    )


def _list_attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + ATTRIBUTE.size <= len(content):
        length, kind = ATTRIBUTE.unpack_from(content, place)
        if length < ATTRIBUTE.size:
            return
        yield kind, content[place + ATTRIBUTE.size : place + length]
        place += -(-length // ALIGNMENT) * ALIGNMENT
