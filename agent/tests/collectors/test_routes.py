import struct
import sys

import pytest

from streamswarm_agent.collectors.neighbours import ERROR, HEADER
from streamswarm_agent.collectors.routes import NEW_ROUTE, ROUTE, NextHop, find_next_hop

UNICAST, LOCAL = 1, 2
OUTPUT = (4, struct.pack("=i", 3))
SOURCE = (7, bytes([192, 0, 2, 2]))
GATEWAY = (5, bytes([192, 0, 2, 1]))


class Kernel:
    def __init__(self, answer):
        self.answer = answer
        self.is_closed = False

    def settimeout(self, seconds):
        assert seconds > 0

    def send(self, packet):
        return len(packet)

    def recv(self, _size):
        return self.answer

    def close(self):
        self.is_closed = True


def route(*attributes, kind=NEW_ROUTE, route_type=UNICAST):
    body = ROUTE.pack(2, 32, 0, 0, 254, 3, 0, route_type, 0)
    for number, content in attributes:
        body += struct.pack("=HH", 4 + len(content), number) + content
    return HEADER.pack(HEADER.size + len(body), kind, 0, 1, 0) + body


def ask(answer):
    kernel = Kernel(answer)
    try:
        return find_next_hop("198.51.100.7", lambda: kernel)
    finally:
        assert kernel.is_closed


def test_the_gateway_of_a_route_is_its_next_hop():
    assert ask(route(OUTPUT, SOURCE, GATEWAY)) == NextHop(3, "192.0.2.1", "192.0.2.2")


def test_on_the_own_link_the_destination_is_the_next_hop():
    assert ask(route(OUTPUT, SOURCE)) == NextHop(3, "198.51.100.7", "192.0.2.2")


@pytest.mark.parametrize(
    "answer",
    [
        route(OUTPUT, SOURCE, route_type=LOCAL),
        route(SOURCE),
        route(OUTPUT),
        HEADER.pack(HEADER.size, ERROR, 0, 1, 0),
        route(OUTPUT, SOURCE)[: HEADER.size + ROUTE.size] + struct.pack("=HH", 0, 9),
    ],
)
def test_what_leaves_by_no_link_has_no_next_hop(answer):
    length = len(answer).to_bytes(4, sys.byteorder)
    assert ask(length + answer[4:]) is None


@pytest.mark.parametrize("answer", [b"", b"short", route(OUTPUT, SOURCE, kind=9), route()[:20]])
def test_an_answer_that_is_none_is_an_error(answer):
    with pytest.raises(OSError, match="the kernel sent"):
        ask(answer)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has netlink")
def test_the_running_kernel_keeps_loopback_at_home():
    assert find_next_hop("127.0.0.1") is None
