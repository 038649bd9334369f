"""The answering end of UDP sessions: whom it answers, how often, and with how much."""

import asyncio
import socket

import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.responders.udp_session import (
    ReflectedSession,
    UdpSessionResponder,
)
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_packet import (
    MOST_PACKETS,
    REPORT_BYTES,
    SessionKeys,
    build_report_request,
    build_request,
    parse_report,
    read_sequence,
)

KEY = bytes(range(32))
ANSWER_SECONDS = 30


@pytest.fixture
def ports():
    return UdpPorts()


@pytest.fixture
def answering(clock, ports, serve):
    """A far end that answers until the block ends."""
    return lambda request, clocks=None: serve(UdpSessionResponder(clock, ports, clocks), request)


class Caller:
    """Sends what it likes to the far end and counts what comes back."""

    def __init__(self, port, address="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.sent_bytes = 0

    def send(self, packet):
        self.sent_bytes += self.socket.send(packet)

    async def receive(self, count):
        """That many answers."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS):
            return [await loop.sock_recv(self.socket, 65_536) for _ in range(count)]

    def has_answers(self):
        """Whether there is one; ask once a later packet of somebody else has been answered."""
        try:
            return bool(self.socket.recv(65_536))
        except BlockingIOError:
            return False


@pytest.fixture
def call(free_port):
    callers = []

    def build(address="127.0.0.1"):
        callers.append(Caller(free_port, address))
        return callers[-1]

    yield build
    for caller in callers:
        caller.socket.close()


KEYS = SessionKeys.derive(KEY, "run")


def make_packet(sequence=0, keys=KEYS, padding_bytes=0):
    return build_request(keys, sequence, sent_ns=1, error_estimate=1, padding_bytes=padding_bytes)


async def test_a_flood_without_the_key_gets_not_one_byte(answering, ask_to_answer, call):
    stranger, sibling, holder = call(), call(), call()
    forged = SessionKeys(bytes(32), bytes(32), KEYS.tag)
    async with answering(ask_to_answer()):
        for number in range(100):
            stranger.send(make_packet(number, forged))
            stranger.send(b"\0" * (number * 14))
            sibling.send(make_packet(number, SessionKeys.derive(KEY, "another run")))
        holder.send(make_packet())
        await holder.receive(1)
        assert not stranger.has_answers()
        assert not sibling.has_answers()


async def test_answers_are_never_longer_than_what_came(answering, ask_to_answer, call):
    caller = call()
    async with answering(ask_to_answer()):
        caller.send(build_report_request(KEYS, 0)[:-1])
        for number in range(5):
            caller.send(make_packet(number, padding_bytes=number * 100))
        caller.send(build_report_request(KEYS, 0))
        answers = await caller.receive(6)
    assert [len(answer) for answer in answers] == [112, 212, 312, 412, 512, REPORT_BYTES]


async def test_a_packet_caught_and_sent_again_from_elsewhere_gets_nothing(
    answering, ask_to_answer, call
):
    holder, thief = call(), call()
    async with answering(ask_to_answer()):
        holder.send(make_packet(0))
        await holder.receive(1)
        for _ in range(50):
            thief.send(make_packet(0))
        holder.send(make_packet(1))
        await holder.receive(1)
        assert not thief.has_answers()


async def test_copies_of_one_packet_are_counted_and_answered_once(answering, ask_to_answer, call):
    holder = call()
    async with answering(ask_to_answer()):
        for _ in range(100):
            holder.send(make_packet(0))
        holder.send(make_packet(1))
        holder.send(build_report_request(KEYS, 0))
        *answers, report = await holder.receive(3)
        assert not holder.has_answers()
    assert [read_sequence(answer) for answer in answers] == [0, 1]
    said = parse_report(KEYS, report)
    assert (said.received_count, said.duplicate_count) == (2, 99)


async def test_a_question_what_arrived_is_answered_once_for_each_attempt(
    answering, ask_to_answer, call
):
    holder = call()
    async with answering(ask_to_answer()):
        for _ in range(10):
            holder.send(build_report_request(KEYS, 0, 1))
        for odd in ((0, 64), (1, 0), (MOST_PACKETS, 0)):
            holder.send(build_report_request(KEYS, *odd))
        holder.send(make_packet(0))
        report, answer = await holder.receive(2)
        assert not holder.has_answers()
    assert (len(report), len(answer)) == (REPORT_BYTES, len(make_packet(0)))


async def test_nothing_is_answered_once_the_window_is_over(answering, ask_to_answer, call):
    holder = call()
    async with answering(ask_to_answer(duration_seconds=0.05)) as serving:
        await serving
        holder.send(make_packet(0))
        with pytest.raises(ConnectionRefusedError):
            await holder.receive(1)


async def test_another_address_than_the_one_allowed_gets_nothing(answering, ask_to_answer, call):
    other, allowed = call("127.0.0.2"), call("127.0.0.1")
    async with answering(ask_to_answer(allowed_address="127.0.0.1")):
        other.send(make_packet(0))
        allowed.send(make_packet(1))
        await allowed.receive(1)
        assert not other.has_answers()


async def test_several_runs_share_a_port_and_the_last_closes_it(
    answering, ask_to_answer, call, free_port
):
    first, second = call(), call()
    second_keys = SessionKeys.derive(KEY, "second")
    async with answering(ask_to_answer(run_id="second")):
        async with answering(ask_to_answer()):
            for caller, keys in ((first, KEYS), (second, second_keys)):
                caller.send(make_packet(0, keys))
                await caller.receive(1)
        first.send(make_packet(1))
        second.send(make_packet(1, second_keys))
        await second.receive(1)
        assert not first.has_answers()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", free_port))


async def test_a_port_that_is_taken_is_said(clock, ports, ask_to_answer, free_port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", free_port))
        with pytest.raises(ProbeFailed, match=f"cannot listen on UDP port {free_port}"):
            await UdpSessionResponder(clock, ports).serve(ask_to_answer())


@pytest.mark.parametrize(
    ("family", "address"), [(socket.AF_INET, "127.0.0.3"), (socket.AF_INET6, "::1")]
)
async def test_both_ip_versions_are_answered_from_the_address_that_was_asked(
    answering, ask_to_answer, free_port, family, address
):
    async with answering(ask_to_answer(bind_address="")):
        with socket.socket(family, socket.SOCK_DGRAM) as caller:
            caller.setblocking(False)
            caller.sendto(make_packet(0), (address, free_port))
            async with asyncio.timeout(ANSWER_SECONDS):
                loop = asyncio.get_running_loop()
                answer, source = await loop.sock_recvfrom(caller, 2000)
    assert (len(answer), source[:2]) == (len(make_packet(0)), (address, free_port))


def test_numbers_beyond_any_session_are_not_answered(ask_to_answer):
    session = ReflectedSession(ask_to_answer(), SessionClocks())
    answers = []
    datagram = type("Datagram", (), {"payload": make_packet(1 << 20), "source": ("::1", 1)})
    assert session.take(datagram, lambda *answer: answers.append(answer))
    assert answers == []
