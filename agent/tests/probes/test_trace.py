"""The probe over real loopback sockets, and its rounds over flows that do as they are told."""

import asyncio
import errno
import socket
from collections import Counter

import pytest

from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.icmp_packet import HEADER, internet_checksum
from streamswarm_agent.probes.icmp_socket import IS_LINUX
from streamswarm_agent.probes.icmp_time import HostClocks
from streamswarm_agent.probes.trace import TraceProbe
from streamswarm_agent.probes.trace_answers import Answer
from streamswarm_agent.probes.trace_echo import IcmpFlow
from streamswarm_agent.probes.trace_flows import MARK, FlowSettings, UdpFlow
from streamswarm_agent.probes.trace_rounds import Rounds

linux_only = pytest.mark.skipif(not IS_LINUX, reason="only Linux keeps errors")
FAST = {"wait_seconds": 0.5, "packets_per_second": 1000, "resolve_names": False}
PASSED, REACHED = (Answer("192.0.2.1", 0.01, "passed"), Answer("192.0.2.9", 0.02, "reached"))


class ToldFlow:
    """Answers a probe of `ttl` with what `tell(ttl, number of the probe)` gives, at once."""

    def __init__(self, number, tell, *, is_serial=False):
        self.number = number
        self.is_serial = is_serial
        self.errors = Counter()
        self.unattributed_count = 0
        self.asked = []
        self.most_open = 0
        self._tell = tell
        self._open = 0

    def ask(self, ttl):
        self.asked.append(ttl)
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        return asyncio.ensure_future(self._answer(ttl, len(self.asked)))

    async def _answer(self, ttl, number):
        await asyncio.sleep(0)
        self._open -= 1
        return self._tell(ttl, number)

    def close(self):
        pass


def along(*answers):
    return lambda ttl, _: answers[min(ttl, len(answers)) - 1]


@pytest.fixture
def trace_rounds(virtual_clock, request_for):
    async def run(*flows, duration_seconds=30, **parameters):
        request = request_for(
            "trace", "192.0.2.9", duration_seconds=duration_seconds, **(FAST | parameters)
        )
        rounds = Rounds(virtual_clock(), flows, request)
        return [trials async for trials in rounds.run()], rounds

    return run


async def test_a_round_asks_every_hop_once_up_to_the_target(trace_rounds):
    flow = ToldFlow(0, along(PASSED, PASSED, REACHED))
    found, rounds = await trace_rounds(flow, queries=2)
    assert [trial.ttl for trial in found[0]] == [1, 2, 3]
    assert flow.asked == [1, 2, 3, 1, 2, 3]
    assert rounds.trials == [*found[0], *found[1]]


async def test_a_silent_target_is_asked_for_up_to_the_last_hop(trace_rounds):
    flow = ToldFlow(0, along(PASSED, None))
    await trace_rounds(flow, queries=1, max_ttl=7)
    assert flow.asked == [1, 2, 3, 4, 5, 6, 7]


async def test_a_target_that_once_is_silent_is_not_taken_for_farther_away(trace_rounds):
    def tell(ttl, number):
        is_lost = ttl == 3 and number == 6
        return None if is_lost else along(PASSED, PASSED, REACHED)(ttl, number)

    flow = ToldFlow(0, tell)
    found, _ = await trace_rounds(flow, queries=3)
    assert flow.asked == [1, 2, 3, 1, 2, 3, 1, 2, 3]
    assert [trial.answer for trial in found[1]] == [PASSED, PASSED, None]


async def test_a_path_that_grows_longer_is_followed(trace_rounds):
    def tell(ttl, number):
        length = 2 if number <= 2 else 4
        return REACHED if ttl >= length else PASSED

    flow = ToldFlow(0, tell)
    await trace_rounds(flow, queries=2)
    assert flow.asked == [1, 2, 1, 2, 3, 4]


async def test_a_flow_with_room_for_one_probe_has_one_under_way(trace_rounds):
    serial = ToldFlow(0, along(PASSED, PASSED, PASSED, REACHED), is_serial=True)
    await trace_rounds(serial, queries=1)
    assert serial.asked == [1, 2, 3, 4]
    assert serial.most_open == 1


async def test_nothing_is_asked_once_the_run_is_over(trace_rounds):
    flow = ToldFlow(0, along(PASSED))
    await trace_rounds(flow, queries=1, duration_seconds=0.0105)
    assert 1 <= len(flow.asked) <= 12


async def test_answers_that_quote_too_little_are_asked_for_one_at_a_time(trace_rounds):
    def tell(ttl, number):
        if number <= 3 and ttl == 2:
            flow.unattributed_count += 1
            return None
        return along(PASSED, PASSED, REACHED)(ttl, number)

    flow = ToldFlow(0, tell)
    (found,), _ = await trace_rounds(flow, queries=1)
    assert {trial.ttl: trial.answer is not None for trial in found} == {1: True, 2: True, 3: True}


@linux_only
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("method", ["udp", "tcp", "icmp"])
async def test_the_own_host_is_one_hop_away(
    clock, resolver, request_for, measure, closed_port, address, method
):
    request = request_for(
        "trace", address, method=method, udp_port=closed_port, tcp_port=closed_port, queries=2,
        flows=2, **FAST,
    )  # fmt: skip
    try:
        found = await measure(TraceProbe(clock, resolver), request)
    except ProbeFailed as error:
        pytest.skip(str(error))
    outcome = found.outcome
    assert outcome.is_success, outcome.reason
    assert outcome.values["path.hop.count"] == 1
    assert outcome.values["path.hop.loss.ratio"] == 0
    assert outcome.values["path.ecmp.width"] == 1
    assert outcome.values["net.rtt.gateway"] == outcome.values["path.hop.rtt.median"] > 0
    assert [flow["path"] for flow in outcome.document["flows"]] == [[address], [address]]
    assert len(outcome.facts["path.hash"]) == 16
    assert len(found.samples) in {1, 2}


@linux_only
async def test_a_second_run_compares_itself_with_the_first(
    clock, resolver, request_for, measure, closed_port
):
    probe = TraceProbe(clock, resolver)
    request = request_for("trace", "127.0.0.1", udp_port=closed_port, queries=1, flows=1, **FAST)
    first, second = await measure(probe, request), await measure(probe, request)
    assert first.outcome.absent["path.change.count"] == "I"
    assert second.outcome.values["path.change.count"] == 0
    assert first.outcome.facts["path.hash"] == second.outcome.facts["path.hash"]


@linux_only
async def test_two_traces_at_once_take_ports_of_their_own(
    clock, resolver, request_for, measure, closed_port
):
    probe = TraceProbe(clock, resolver)
    request = request_for("trace", "127.0.0.1", udp_port=closed_port, queries=2, flows=3, **FAST)
    found = await asyncio.gather(*(measure(probe, request) for _ in range(3)))
    assert [one.outcome.values["path.hop.loss.ratio"] for one in found] == [0, 0, 0]


@linux_only
async def test_names_are_looked_up_and_those_without_left_empty(
    clock, resolver, request_for, measure, closed_port
):
    async def look_up(address):
        return {"127.0.0.1": "loop.example"}.get(address, "")

    request = request_for(
        "trace", "127.0.0.1", udp_port=closed_port, queries=1, **(FAST | {"resolve_names": True})
    )
    found = await measure(TraceProbe(clock, resolver, look_up=look_up), request)
    (hop,) = found.outcome.document["hops"]
    assert [station["name"] for station in hop["stations"]] == ["loop.example"]


async def test_a_name_without_address_is_a_result(clock, resolver, request_for, measure):
    found = await measure(TraceProbe(clock, resolver), request_for("trace", "nowhere.example"))
    assert not found.outcome.is_success
    assert found.outcome.reason == "no address for nowhere.example"
    assert found.outcome.absent["path.hop.count"] == "T"


async def test_a_refused_target_gets_no_packet(clock, make_resolver, request_for):
    resolver = make_resolver(refused=frozenset({"169.254.169.254"}))
    with pytest.raises(TargetRefused):
        await TraceProbe(clock, resolver).run(request_for("trace", "169.254.169.254"), None)


async def test_without_a_socket_the_reason_names_each_that_was_tried(clock, resolver, request_for):
    def deny(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    request = request_for("trace", "127.0.0.1", method="icmp")
    with pytest.raises(ProbeFailed, match=r"icmp_datagram: .*not permitted.*icmp_raw: "):
        await TraceProbe(clock, resolver, open_socket=deny).run(request, None)


@pytest.fixture
def make_flow():
    opened = []
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))

    def make(kind, number=0):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setblocking(False)
        sender.connect(silent.getsockname())
        settings = FlowSettings(socket.AF_INET, ("127.0.0.1", 9), number, 40_000 + number, 0.5)
        opened.append(kind(sender, settings, HostClocks()))
        return opened[-1]

    yield make
    silent.close()
    for flow in opened:
        flow.close()


async def test_echo_requests_of_a_flow_differ_in_nothing_that_routers_look_at(make_flow):
    flow, other = make_flow(IcmpFlow, 0), make_flow(IcmpFlow, 1)
    packets = [flow._build(index) for index in (0, 1, 7, 65_535)]
    heads = {HEADER.unpack_from(packet)[:4] for packet in packets}
    assert len(heads) == 1
    assert len({packet[6:8] for packet in packets}) == 4
    assert {internet_checksum(packet) for packet in packets} == {0}
    assert HEADER.unpack_from(other._build(0))[2:4] != HEADER.unpack_from(packets[0])[2:4]


async def test_a_quote_belongs_to_the_probe_that_it_shows(make_flow):
    flow, other = make_flow(UdpFlow), make_flow(UdpFlow)
    assert flow._find_quoted(flow._build(3)) == 3
    assert flow._find_quoted(other._build(3)) is None
    assert flow._find_quoted(flow._build(3)[: MARK.size]) == 3


async def test_a_short_quote_belongs_to_a_lone_probe_and_to_none_of_many(make_flow):
    flow = make_flow(UdpFlow)
    waiting = [flow.ask(1)]
    assert flow._attribute(b"") == 0
    waiting.append(flow.ask(2))
    assert flow._attribute(b"") is None
    assert flow.unattributed_count == 1
    for index in range(2):
        flow._give_up(index)
    assert [answer.result() for answer in waiting] == [None, None]


async def test_an_echo_request_that_comes_back_otherwise_was_altered_on_the_way(make_flow):
    flow = make_flow(IcmpFlow)
    packet = flow._build(5)
    translated = packet[:4] + b"\x12\x34" + packet[6:]
    assert flow._is_altered(packet[:8], packet) is False
    assert flow._is_altered(translated, packet) is True
    assert flow._find_quoted(translated) == flow._find_quoted(packet)
