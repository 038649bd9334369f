import asyncio
import socket

import pytest

from streamswarm_agent.collectors.routes import NextHop
from streamswarm_agent.probes.ping_link import (
    ARP,
    LinkTimer,
    build_request,
    is_answer,
    open_link_socket,
)

GATEWAY = NextHop(2, "192.0.2.1", "192.0.2.2")
OWN, THEIRS = b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x01"
REPLY = ARP.pack(1, 0x800, 6, 4, 2, THEIRS, socket.inet_aton("192.0.2.1"), OWN,
                 socket.inet_aton("192.0.2.2"))  # fmt: skip


class Link(socket.socket):
    """One end of a pair that turns each request into what `answer` makes of it."""

    def __init__(self, answer, link_kind=1):
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM, fileno=ours.detach())
        self.setblocking(False)
        self.answer, self.link_kind, self.asked = answer, link_kind, []

    def getsockname(self):
        return "eth0", 0x0806, 0, self.link_kind, OWN

    def sendto(self, packet, place):
        assert place == ("eth0", 0x0806, 0, 1, b"\xff" * 6)
        self.asked.append(packet)
        for reply in self.answer(len(self.asked)):
            self.theirs.send(reply)

    def close(self):
        self.theirs.close()
        super().close()


def timer_over(link):
    return LinkTimer(lambda _index: link, lambda _address: GATEWAY)


async def test_the_median_of_three_answers_is_the_links_time():
    link = Link(lambda _: [REPLY])
    seconds = await timer_over(link).measure(GATEWAY)
    assert 0 <= seconds < 1
    assert link.asked == [build_request(GATEWAY, OWN)] * 3
    assert link.fileno() == -1


async def test_pings_with_the_same_next_hop_share_one_figure():
    opened = []

    def open_link(_index):
        opened.append(Link(lambda _: [REPLY]))
        return opened[-1]

    timer = LinkTimer(open_link, lambda _address: GATEWAY)
    figures = await asyncio.gather(*(timer.measure(GATEWAY) for _ in range(50)))
    assert len(opened) == 1
    assert len(set(figures)) == 1
    await timer.measure(NextHop(2, "192.0.2.7", "192.0.2.2"))
    assert len(opened) == 2


async def test_cancelling_one_ping_leaves_the_others_their_figure():
    link = Link(lambda number: [REPLY] if number > 1 else [])
    timer = timer_over(link)
    first, second = (asyncio.create_task(timer.measure(GATEWAY)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, float)


async def test_other_answers_than_the_next_hops_do_not_count(monkeypatch):
    monkeypatch.setattr("streamswarm_agent.probes.ping_link.PATIENCE_SECONDS", 0.05)
    strangers = [REPLY[:7] + b"\x01" + REPLY[8:], REPLY[:14] + b"\xc0\0\x02\x07" + REPLY[18:]]
    link = Link(lambda _: [*strangers, REPLY[:20], b""])
    assert await timer_over(link).measure(GATEWAY) == "T"


@pytest.mark.parametrize(("number", "code"), [(1, "P"), (19, "N")])
async def test_a_link_that_may_not_be_opened_says_why(number, code):
    def refuse(_index):
        raise OSError(number, "no")

    assert await LinkTimer(refuse, None).measure(GATEWAY) == code


async def test_a_link_without_arp_is_not_asked():
    link = Link(lambda _: [REPLY], link_kind=772)
    assert await timer_over(link).measure(GATEWAY) == "N"
    assert link.asked == []


def test_what_does_not_cross_a_link_has_no_next_hop():
    def fail(_address):
        raise OSError("no netlink")

    timer = LinkTimer(find_route=lambda _address: GATEWAY)
    assert timer.find("192.0.2.9") == GATEWAY
    assert timer.find("2001:db8::1") is None
    assert timer.find("127.3.2.1") is None
    assert LinkTimer(find_route=fail).find("192.0.2.9") is None


def test_only_a_reply_to_us_is_an_answer():
    assert is_answer(REPLY, GATEWAY)
    assert not is_answer(build_request(GATEWAY, OWN), GATEWAY)


def test_a_link_socket_opens_or_says_that_it_may_not():
    index = socket.if_nametoindex("lo")
    try:
        opened = open_link_socket(index)
    except PermissionError:
        pytest.skip("link sockets need CAP_NET_RAW")
    with opened:
        assert opened.getsockname()[0] == "lo"
