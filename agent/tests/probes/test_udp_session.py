"""Both ends of a session over loopback, with a path between them that makes faults."""

import asyncio
from dataclasses import replace

import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.kernel_clock import KernelClock
from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.datagram_socket import Datagram
from streamswarm_agent.probes.icmp_time import Moment
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.responders.udp_session import (
    UdpSessionResponder,
)
from streamswarm_agent.probes.session_clocks import SessionClocks
from streamswarm_agent.probes.session_link import GREETING_ATTEMPTS, SessionLink, SessionSettings
from streamswarm_agent.probes.session_packet import (
    REPORT_SEQUENCE,
    Report,
    build_report,
    read_sequence,
)
from streamswarm_agent.probes.udp_session import UdpSessionProbe, plan_offsets

KEY = bytes(range(32))
LINK = "streamswarm_agent.probes.session_link"
FAST = {"interval_seconds": 0.01, "timeout_seconds": 0.2}


class Path(asyncio.DatagramProtocol):
    """Stands before the far end; `there` and `back` say which copies of a packet go on."""

    def __init__(self, far_port, there, back):
        self.far_port = far_port
        self.ways = {True: there, False: back}
        self.near = None
        self.questions = []
        self.is_asked = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, packet, source):
        is_forward = source[1] != self.far_port
        if is_forward:
            self.near = source
        goal = ("127.0.0.1", self.far_port) if is_forward else self.near
        is_session = read_sequence(packet) != REPORT_SEQUENCE
        if is_forward and not is_session:
            self.questions.append(packet)
            self.is_asked.set()
        for copy in self.ways[is_forward](packet) if is_session else [packet]:
            self.transport.sendto(copy, goal)


def pass_on(packet):
    return [packet]


def every(number, fault):
    """The fault at each n-th packet of the way."""
    count = 0

    def decide(packet):
        nonlocal count
        count += 1
        return fault(packet) if count % number == 0 else [packet]

    return decide


def drop(_packet):
    return []


def double(packet):
    return [packet, packet]


def damage(packet):
    return [packet[:-1] + bytes([packet[-1] ^ 1])]


def swap_each_fourth():
    """Holds each fourth packet back until the next one has passed."""
    held, count = [], 0

    def decide(packet):
        nonlocal count
        count += 1
        if count % 4 == 0:
            held.append(packet)
            return []
        released, held[:] = [packet, *held], []
        return released

    return decide


@pytest.fixture
def few_questions(monkeypatch):
    """Who never answers is given up soon."""
    monkeypatch.setattr(f"{LINK}.GREETING_ATTEMPTS", GREETING_ATTEMPTS[:2])


@pytest.fixture
def ports():
    return UdpPorts()


@pytest.fixture
def answering(clock, ports, serve):
    """A far end that answers until the block ends."""
    return lambda request, clocks=None: serve(UdpSessionResponder(clock, ports, clocks), request)


@pytest.fixture
def session(request_for, measure, clock, answering, ask_to_answer):
    """A session over a path."""

    async def run(there=pass_on, back=pass_on, *, near=None, far=None, key=KEY, **parameters):
        answered = ask_to_answer()
        loop = asyncio.get_running_loop()
        transport, path = await loop.create_datagram_endpoint(
            lambda: Path(answered.port, there, back), local_addr=("127.0.0.1", 0)
        )
        request = request_for("udp_session", "", **{**FAST, "duration_seconds": 1.0, **parameters})
        peer = Peer("127.0.0.1", path.port, key, "run")
        request = type(request)("", request.parameters, request.duration_seconds, 0.25, peer)
        try:
            async with answering(answered, far):
                return await measure(UdpSessionProbe(clock, None, near), request)
        finally:
            transport.close()

    return run


def synchronised(max_error_seconds):
    return SessionClocks(kernel=lambda: KernelClock(True, 0.0, max_error_seconds))


# Figures


async def test_a_sound_path_has_every_figure(session):
    found = await session(duration_seconds=1.5, near=synchronised(1e-6), far=synchronised(1e-6))
    values, document = found.outcome.values, found.outcome.document
    assert found.outcome.is_success
    assert found.outcome.method == "udp"
    assert values["net.packet.sent"] == values["net.packet.received"] >= 120
    assert set(found.outcome.absent) <= {
        "net.packet.loss.distance.mean",
        *(f"qos.ecn.ce.ratio{{codepoint=ect0,direction={one}}}" for one in ("forward", "reverse")),
    }
    assert values["net.packet.loss.forward.ratio"] == values["net.packet.loss.reverse.ratio"] == 0
    assert 0 < values["net.rtt.min"] <= values["net.rtt.udp"] <= values["net.rtt.max"]
    assert values["net.owd.error_estimate"] == pytest.approx(2e-6, rel=0.02)
    assert abs(values["net.clock.peer_offset"]) < values["net.rtt.max"]
    assert sum(document["net.rtt.histogram"]["counts"]) == values["net.packet.received"]
    assert document["directions"]["forward"]["times_to_live"] == [64]
    assert len(found.samples) >= 4


async def test_a_loss_is_told_of_the_direction_that_made_it(session):
    found = await session(every(10, drop), every(9, drop), count=90)
    values, document = found.outcome.values, found.outcome.document["directions"]
    assert document["forward"]["lost"] == values["net.packet.sent"] // 10
    assert document["forward"]["received"] == values["net.packet.sent"] * 9 // 10
    assert document["reverse"]["lost"] == document["forward"]["received"] // 9
    assert values["net.packet.loss.forward.ratio"] == pytest.approx(0.1)
    assert values["net.packet.loss.reverse.ratio"] == pytest.approx(1 / 9)
    lost = document["forward"]["lost"] + document["reverse"]["lost"]
    assert values["net.packet.loss.ratio"] == pytest.approx(lost / values["net.packet.sent"])


async def test_copies_are_counted_and_are_no_answers(session):
    found = await session(every(10, double), count=50)
    values = found.outcome.values
    assert values["net.packet.received"] == 50
    assert values["net.packet.duplicate.ratio"] == pytest.approx(5 / 55)
    assert found.outcome.document["directions"]["forward"]["duplicates"] == 5


async def test_reordering_is_told_of_the_direction_that_made_it(session):
    found = await session(swap_each_fourth(), count=41)
    values, document = found.outcome.values, found.outcome.document["directions"]
    assert document["forward"]["reordered"] == 10
    assert document["reverse"]["reordered"] == 0
    assert values["net.packet.reorder.ratio"] == pytest.approx(10 / 41)
    assert values["net.packet.reorder.extent.max"] == 1
    assert values["net.packet.reorder.n3.ratio"] == 0


async def test_damaged_answers_are_losses_and_are_counted(session):
    found = await session(back=every(5, damage), count=50, padding_bytes=40)
    values = found.outcome.values
    assert values["net.packet.received"] == 40
    assert values["net.packet.corrupt.ratio"] == pytest.approx(10 / 50)


async def test_what_comes_after_the_time_out_is_late_and_did_arrive(session):
    held = []

    def hold(packet):
        held.append(packet)
        return held if len(held) > 1 else []

    found = await session(back=hold, count=2, timeout_seconds=0.02, interval_seconds=0.3)
    values = found.outcome.values
    assert values["net.packet.late.ratio"] == pytest.approx(1 / 2)
    assert values["net.packet.loss.reverse.ratio"] == 0
    assert values["net.packet.loss.ratio"] == pytest.approx(1 / 2)


async def test_a_session_by_a_random_schedule_sends_as_many_as_it_is_asked_for(session):
    found = await session(schedule="poisson", count=30)
    assert found.outcome.values["net.packet.sent"] == 30


def test_both_ends_know_the_random_times_of_a_run(request_for):
    request = request_for("udp_session", "", **FAST, schedule="poisson", count=2000)
    offsets, same, other = (list(plan_offsets(request, run)) for run in ("run", "run", "other"))
    assert offsets == same == sorted(offsets)
    assert offsets != other
    assert offsets[-1] / 2000 == pytest.approx(FAST["interval_seconds"], rel=0.1)


# Clocks


async def test_one_way_delays_are_withheld_without_synchronised_clocks(session):
    unsynchronised = SessionClocks(kernel=lambda: KernelClock(False, 0.0, 16.0))
    for near, far in ((unsynchronised, synchronised(1e-6)), (synchronised(1e-6), unsynchronised)):
        found = await session(near=near, far=far, duration_seconds=0.3)
        assert found.outcome.absent["net.owd.forward.median"] == "N"
        assert found.outcome.absent["net.owd.asymmetry"] == "N"
        rtt = found.outcome.values["net.rtt.min"]
        assert found.outcome.values["net.owd.error_estimate"] == pytest.approx(rtt / 2)
        assert "net.ipdv.forward.mean_abs" in found.outcome.values


async def test_one_way_delays_are_withheld_when_their_error_exceeds_them(session):
    found = await session(near=synchronised(0.5), far=synchronised(0.5), duration_seconds=0.3)
    assert found.outcome.absent["net.owd.reverse.median"] == "N"
    assert found.outcome.values["net.owd.error_estimate"] == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("ahead_seconds", [5, -5])
async def test_a_wrong_clock_of_the_peer_is_found_and_spoils_nothing_else(session, ahead_seconds):
    far = SessionClocks(
        tell=lambda unix_ns: unix_ns + ahead_seconds * 10**9,
        kernel=lambda: KernelClock(True, 0.0, 1e-6),
    )
    found = await session(near=synchronised(1e-6), far=far, duration_seconds=0.5)
    values = found.outcome.values
    assert values["net.clock.peer_offset"] == pytest.approx(
        ahead_seconds, abs=values["net.owd.error_estimate"] + 0.001
    )
    assert found.outcome.absent["net.owd.forward.median"] == "N"
    assert values["net.rtt.median"] < 1
    assert values["net.ipdv.reverse.mean_abs"] < 1


# Silence


async def test_silence_is_a_result_with_its_reasons(session):
    found = await session(drop, duration_seconds=0.2)
    assert not found.outcome.is_success
    assert "no answer from 127.0.0.1" in found.outcome.reason
    assert found.outcome.values["net.packet.loss.ratio"] == 1
    for key in ("net.rtt.udp", "net.owd.forward.median", "net.packet.loss.forward.ratio"):
        assert found.outcome.absent[key] == "T"


async def test_no_packet_leaves_before_a_peer_that_starts_late_has_answered(
    request_for, measure, clock, answering, ask_to_answer
):
    answered, loop = ask_to_answer(), asyncio.get_running_loop()
    transport, path = await loop.create_datagram_endpoint(
        lambda: Path(answered.port, pass_on, pass_on), local_addr=("127.0.0.1", 0)
    )
    request = request_for("udp_session", "", **FAST, count=30, duration_seconds=2.0)
    request = replace(request, peer=Peer("127.0.0.1", path.port, KEY, "run"))
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        measuring = group.create_task(measure(UdpSessionProbe(clock, None), request))
        while len(path.questions) < 3:
            await path.is_asked.wait()
            path.is_asked.clear()
        async with answering(answered):
            found = await measuring
    transport.close()
    values, directions = found.outcome.values, found.outcome.document["directions"]
    assert values["net.packet.sent"] == values["net.packet.received"] == 30
    assert values["net.packet.loss.ratio"] == 0
    assert directions["forward"]["lost"] == directions["reverse"]["lost"] == 0
    assert found.outcome.document["errors"] == {}
    assert len(set(path.questions)) == len(path.questions)


async def test_nothing_is_sent_to_a_peer_that_never_answers(few_questions, session):
    found = await session(key=bytes(32))
    assert found.outcome.values["net.packet.sent"] == 0
    assert "no answer from 127.0.0.1 in 0.4 s, so no packets were sent" in found.outcome.reason
    assert "net.packet.loss.ratio" in found.outcome.absent
    assert not found.outcome.is_success


async def test_an_answer_to_a_question_before_the_session_is_no_report_of_it(
    answering, ask_to_answer, free_port
):
    peer = Peer("127.0.0.1", free_port, KEY, "run")
    async with answering(ask_to_answer()):
        link = SessionLink(peer, SessionSettings(0, 0, 1.0), SessionClocks())
        try:
            assert await link.find_peer()
            early = build_report(link._keys, Report(0, 0, 0, 0, attempt=GREETING_ATTEMPTS[1]))
            await link.send()
            link._take(Datagram(early, ()), Moment(0, 0))
            (report,) = await link.fetch_reports()
        finally:
            link.close()
    assert report.received_count == 1


async def test_a_peer_that_answered_once_may_be_away_for_long(session):
    first = iter([True])
    found = await session(
        lambda packet: [packet] if next(first, False) else [], duration_seconds=1.5
    )
    assert found.outcome.values["net.packet.sent"] >= 120


async def test_what_is_later_than_any_answer_is_named_and_never_counted(session, monkeypatch):
    monkeypatch.setattr("streamswarm_agent.probes.session_link.LATEST_PACKETS", 8)
    held = []

    def hold(packet):
        held.append(packet)
        return held[:1] if len(held) == 20 else [] if len(held) == 1 else [packet]

    found = await session(back=hold, count=30)
    assert found.outcome.values["net.packet.received"] == 28
    assert found.outcome.document["errors"] == {"an answer came too late to count": 1}


# Marks


@pytest.mark.parametrize("ecn", ["ect0", "ect1"])
async def test_marks_are_told_of_each_direction(
    request_for, measure, clock, answering, ask_to_answer, free_port, ecn
):
    request = request_for("udp_session", "", **FAST, count=20, dscp=46, ecn=ecn)
    request = replace(request, peer=Peer("127.0.0.1", free_port, KEY, "run"))
    async with answering(ask_to_answer()):
        found = await measure(UdpSessionProbe(clock, None), request)
    values = found.outcome.values
    assert values["qos.dscp.sent{dscp=46}"] == 46
    for direction in ("forward", "reverse"):
        assert values[f"qos.dscp.received{{direction={direction},dscp=46}}"] == 46
        assert values[f"qos.dscp.bleached{{direction={direction},dscp=46}}"] == 0
        assert values[f"qos.ecn.ce.ratio{{codepoint={ecn},direction={direction}}}"] == 0


async def test_packets_that_know_no_ecn_have_no_share_of_marks(session):
    found = await session(count=20)
    for direction in ("forward", "reverse"):
        key = f"qos.ecn.ce.ratio{{codepoint=ect0,direction={direction}}}"
        assert found.outcome.absent[key] == "N"
        assert found.outcome.values[f"qos.dscp.bleached{{direction={direction},dscp=0}}"] == 0


async def test_a_wrong_key_is_silence(few_questions, session):
    found = await session(key=bytes(32), duration_seconds=0.2)
    assert not found.outcome.is_success
    assert found.outcome.values["net.packet.received"] == 0


async def test_a_closed_port_is_said(few_questions, request_for, measure, clock, free_port):
    request = request_for("udp_session", "", **FAST)
    peer = Peer("127.0.0.1", free_port, KEY, "run")
    request = type(request)("", request.parameters, 0.2, 0.2, peer)
    found = await measure(UdpSessionProbe(clock, None), request)
    assert "Connection refused" in found.outcome.reason


async def test_there_is_no_session_without_a_peer(request_for, clock):
    with pytest.raises(ProbeFailed, match="peer"):
        await UdpSessionProbe(clock, None).run(request_for("udp_session", ""), None)
