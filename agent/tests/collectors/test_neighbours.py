import socket
import sys

import pytest

from streamswarm_agent.collectors.neighbours import (
    DONE,
    ERROR,
    HEADER,
    NEIGHBOUR,
    NEW_NEIGHBOUR,
    count_failed_neighbours,
    open_kernel,
)

REACHABLE, STALE, INCOMPLETE, FAILED, NO_ARP = 0x02, 0x04, 0x01, 0x20, 0x40


def message(kind, body=b""):
    padding = b"\0" * (-(HEADER.size + len(body)) % 4)
    return HEADER.pack(HEADER.size + len(body), kind, 2, 1, 0) + body + padding


def neighbour(state, family=socket.AF_INET):
    attribute = b"\x08\x00\x01\x00\xc0\x00\x02\x01"
    return message(NEW_NEIGHBOUR, NEIGHBOUR.pack(family, 2, state, 0, 1) + attribute)


class Kernel:
    def __init__(self, *packets):
        self.packets = list(packets)
        self.sent = []
        self.is_closed = False

    def settimeout(self, seconds):
        assert seconds > 0

    def send(self, packet):
        self.sent.append(packet)
        return len(packet)

    def recv(self, _size):
        return self.packets.pop(0)

    def close(self):
        self.is_closed = True


def test_failed_and_unresolved_neighbours_of_both_families_are_counted():
    kernel = Kernel(
        neighbour(REACHABLE) + neighbour(FAILED) + neighbour(INCOMPLETE, socket.AF_INET6),
        neighbour(STALE) + neighbour(NO_ARP) + neighbour(FAILED, socket.AF_INET6),
        message(DONE, b"\0" * 4),
    )
    assert count_failed_neighbours(lambda: kernel) == 3
    assert kernel.is_closed


@pytest.mark.parametrize("packet", [b"", message(ERROR, b"\xff" * 20), b"\0" * 16])
def test_a_kernel_that_does_not_say_is_an_error(packet):
    kernel = Kernel(packet)
    with pytest.raises(OSError, match="kernel"):
        count_failed_neighbours(lambda: kernel)
    assert kernel.is_closed


def test_other_systems_have_no_such_socket(monkeypatch):
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    with pytest.raises(OSError, match="no netlink"):
        open_kernel()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has rtnetlink")
def test_the_real_kernel_answers():
    assert count_failed_neighbours() >= 0
