import asyncio
import socket

import pytest

from streamswarm_agent.probes.icmp import (
    EchoEngine,
    EchoSession,
    EchoSettings,
    OddReplies,
    TimeoutQueue,
)
from streamswarm_agent.probes.icmp_packet import EchoError, parse_message
from streamswarm_agent.probes.icmp_socket import open_icmp_socket, receive_packets
from streamswarm_agent.probes.icmp_time import Moment

SENT = Moment(1_000_000_000, 2_000_000_000)


class PaperChannel:
    """Takes packets and sends nothing."""

    family = socket.AF_INET
    method = "icmp_raw"

    def __init__(self):
        self.packets = []
        self.failure = None
        self.timeouts = {}

    def send(self, packet, destination, traffic_class):
        if self.failure:
            raise self.failure
        self.packets.append(packet)
        return SENT

    def give_up_after(self, timeout_seconds, answer):
        self.timeouts.setdefault(timeout_seconds, TimeoutQueue(timeout_seconds)).add(answer)

    def reply_to(self, number, **changes):
        packet = bytearray(self.packets[number])
        packet[0] = 0
        packet[2:4] = b"\0\0"
        reply = parse_message(self.family, bytes(packet))
        return type(reply)(
            **{
                "identifier": reply.identifier,
                "sequence": reply.sequence,
                "payload": reply.payload,
                "is_intact": True,
                **changes,
            }
        )


def settings(**changes):
    return EchoSettings(
        **{
            "address": "192.0.2.1",
            "size_bytes": 56,
            "traffic_class": 0,
            "timeout_seconds": 0.5,
            **changes,
        }
    )


def after(milliseconds):
    return Moment(
        SENT.wall_nanoseconds + milliseconds * 1_000_000,
        SENT.monotonic_nanoseconds + milliseconds * 1_000_000,
    )


@pytest.fixture
def channel():
    return PaperChannel()


@pytest.fixture
async def session(channel):
    return EchoSession(channel, settings())


async def test_a_reply_gives_the_round_trip_of_its_own_probe(session, channel):
    first, second = session.send(), session.send()
    assert session.take_reply(channel.reply_to(1), after(30), None)
    assert await second == pytest.approx(0.030)
    assert not first.done()


async def test_the_kernels_stamp_is_the_end_of_the_round_trip(session, channel):
    answer = session.send()
    session.take_reply(channel.reply_to(0), after(80), SENT.wall_nanoseconds + 20_000_000)
    assert await answer == 0.020


async def test_a_second_reply_is_a_duplicate(session, channel):
    answer = session.send()
    for _ in range(3):
        assert session.take_reply(channel.reply_to(0), after(10), None)
    assert await answer == pytest.approx(0.010)
    assert session.odd_replies == OddReplies(0, 0, 2)


async def test_a_reply_after_the_time_out_is_late_and_its_probe_lost(session, channel):
    answer = session.send()
    session.take_reply(channel.reply_to(0), after(501), None)
    assert await answer is None
    assert session.odd_replies == OddReplies(1, 0, 0)


async def test_a_probe_without_reply_is_given_up_after_the_time_out(channel):
    session = EchoSession(channel, settings(timeout_seconds=0.01))
    answer = session.send()
    assert await asyncio.wait_for(answer, 5) is None
    session.take_reply(channel.reply_to(0), after(5), None)
    assert session.odd_replies == OddReplies(1, 0, 0)


async def test_silent_probes_are_given_up_in_turn_between_answered_ones(channel):
    session = EchoSession(channel, settings(timeout_seconds=0.05))
    answers = [session.send() for _ in range(4)]
    session.take_reply(channel.reply_to(1), after(1), None)
    session.take_reply(channel.reply_to(2), after(2), None)
    found = await asyncio.wait_for(asyncio.gather(*answers), 5)
    assert found == [None, pytest.approx(0.001), pytest.approx(0.002), None]
    later = session.send()
    assert await asyncio.wait_for(later, 5) is None


async def test_a_damaged_reply_leaves_its_probe_open_for_an_intact_one(session, channel):
    answer = session.send()
    payload = bytearray(channel.reply_to(0).payload)
    payload[30] ^= 0xFF
    assert session.take_reply(channel.reply_to(0, payload=bytes(payload)), after(1), None)
    assert session.take_reply(channel.reply_to(0, is_intact=False), after(2), None)
    assert not answer.done()
    session.take_reply(channel.reply_to(0), after(3), None)
    assert await answer == pytest.approx(0.003)
    assert session.odd_replies == OddReplies(0, 2, 0)


async def test_a_reply_cut_short_is_corrupt(session, channel):
    answer = session.send()
    session.take_reply(
        channel.reply_to(0, payload=channel.reply_to(0).payload[:-1]), after(1), None
    )
    assert session.odd_replies.corrupt_count == 1
    assert not answer.done()


async def test_the_reply_to_another_pinger_of_the_same_target_is_left_to_it(channel):
    one, other = EchoSession(channel, settings()), EchoSession(channel, settings())
    mine = one.send()
    other.send()
    assert not one.take_reply(channel.reply_to(1), after(1), None)
    assert not mine.done()
    assert one.odd_replies == OddReplies(0, 0, 0)


async def test_sequence_numbers_may_wrap(session, channel):
    answers = [session.send() for _ in range(65_538)]
    session.take_reply(channel.reply_to(65_537), after(1), None)
    session.take_reply(channel.reply_to(65_536), after(2), None)
    assert await answers[65_537] == pytest.approx(0.001)
    assert await answers[65_536] == pytest.approx(0.002)
    assert not answers[2].done()


async def test_a_probe_that_the_host_cannot_send_is_lost_with_the_reason(session, channel):
    channel.failure = OSError(101, "Network is unreachable")
    assert await session.send() is None
    assert session.errors == {"network is unreachable": 1}


async def test_an_error_counts_when_it_is_about_our_probe(session, channel):
    session.send()
    identifier = channel.reply_to(0).identifier
    session.take_error(EchoError("192.0.2.1", identifier, 0, "host unreachable"))
    session.take_error(EchoError("192.0.2.1", identifier ^ 1, 0, "not ours"))
    session.take_error(EchoError("192.0.2.1", identifier, 9, "never sent"))
    assert session.errors == {"host unreachable": 1}


class OpenCounter:
    """Opens plain datagram sockets and remembers them."""

    def __init__(self):
        self.opened = []

    def __call__(self, family, method):
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        self.opened.append((family, method, opened))
        return opened


async def test_all_targets_of_a_family_share_one_socket_until_the_last_is_done():
    counter = OpenCounter()
    engine = EchoEngine(counter)
    with engine.session(settings(address="127.0.0.1"), "icmp_raw"):
        with engine.session(settings(address="127.0.0.2"), "icmp_raw"):
            pass
        with engine.session(settings(address="::1"), "icmp_raw"):
            assert len(counter.opened) == 2
        assert counter.opened[0][2].fileno() >= 0
    assert all(opened.fileno() == -1 for *_, opened in counter.opened)
    with engine.session(settings(address="127.0.0.1"), "icmp_raw"):
        assert len(counter.opened) == 3


async def test_a_socket_is_given_back_when_a_session_cannot_be_made():
    counter = OpenCounter()
    with (
        pytest.raises(OSError, match=r".+"),
        EchoEngine(counter).session(settings(address="no address"), "icmp_raw"),
    ):
        pass
    assert counter.opened[0][2].fileno() == -1


@pytest.fixture
def raw_socket():
    try:
        opened = open_icmp_socket(socket.AF_INET, "icmp_raw")
    except PermissionError as error:
        pytest.skip(f"raw ICMP sockets are not allowed here: {error}")
    with opened:
        yield opened


async def test_the_dscp_of_the_probe_is_on_the_wire(raw_socket):
    with EchoEngine().session(
        settings(address="127.0.0.1", traffic_class=46 << 2), "icmp_raw"
    ) as s:
        assert await s.send() is not None
        mine = s.send()
        assert await mine is not None
    classes = {received.packet[1] for received in receive_packets(raw_socket)}
    assert 46 << 2 in classes


async def test_on_linux_every_reply_has_a_kernel_stamp(raw_socket):
    with EchoEngine().session(settings(address="127.0.0.1"), "icmp_raw") as session:
        await session.send()
    stamps = [received.kernel_nanoseconds for received in receive_packets(raw_socket)]
    assert stamps
    assert None not in stamps


async def test_many_targets_at_once_lose_nothing(raw_socket):
    engine = EchoEngine()
    addresses = [f"127.0.1.{number}" for number in range(1, 101)]

    async def ping(address):
        with engine.session(settings(address=address, timeout_seconds=5.0), "icmp_raw") as session:
            return [await session.send() for _ in range(3)]

    round_trips = await asyncio.gather(*map(ping, addresses))
    assert len(round_trips) == 100
    assert not any(None in trips for trips in round_trips)
