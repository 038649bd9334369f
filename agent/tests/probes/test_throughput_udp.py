"""UDP throughput over loopback, through a path with faults, and its answering end under attack."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import pytest

from agent.tests.probes.conftest import KEY
from streamswarm_agent.probes.base import Peer
from streamswarm_agent.probes.flow_count import FlowCounter, FlowSent
from streamswarm_agent.probes.flow_packet import (
    HELLO,
    build_flow_packet,
    derive_flow_keys,
    read_flow_packet,
)
from streamswarm_agent.probes.flow_report import read_flow_report, read_flow_sent
from streamswarm_agent.probes.responders.stream_port import StreamPorts
from streamswarm_agent.probes.responders.throughput import ThroughputResponder
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.session_packet import TAG
from streamswarm_agent.probes.statistics import interarrival_jitter
from streamswarm_agent.probes.stream_report import TransferOrder
from streamswarm_agent.probes.stream_wire import CONTROL, StreamKeys, introduce
from streamswarm_agent.probes.throughput import ThroughputProbe

ANSWER_SECONDS = 30
RATE_MEGABITS = 4
UDP = {"protocol": "udp", "rate_megabits": RATE_MEGABITS, "omit_seconds": 0.2}
FLOW_TAGS = {derive_flow_keys(KEY, "run", way).tag for way in ("upload", "download")}


@pytest.fixture
def answering(clock, serve, ask_to_answer):
    return lambda **changes: serve(
        ThroughputResponder(clock, StreamPorts(), UdpPorts()), ask_to_answer(**changes)
    )


@pytest.fixture
def throughput(request_for, measure, clock, free_port):
    async def run(port=None, *, duration_seconds=3.0, **parameters):
        request = request_for(
            "throughput", "", duration_seconds=duration_seconds, sample_interval_seconds=0.25,
            **{**UDP, **parameters},
        )  # fmt: skip
        peer = Peer("127.0.0.1", port or free_port, KEY, "run")
        return await measure(ThroughputProbe(clock, None), replace(request, peer=peer))

    return run


def packets_of(found, direction):
    return found.outcome.document["directions"][direction]["packets"]


async def test_both_directions_have_their_figures(answering, throughput):
    async with answering():
        found = await throughput(duration_seconds=6)
    values, document = found.outcome.values, found.outcome.document
    assert found.outcome.is_success, found.outcome.reason
    assert found.outcome.method == document["protocol"] == "udp"
    for direction, way in (("upload", "forward"), ("download", "reverse")):
        rate = values[f"net.throughput.udp.receive{{direction={way}}}"]
        # A busy machine may be slower.
        assert 0 < rate < 1.3 * RATE_MEGABITS * 1e6
        assert values[f"net.throughput.udp.loss.ratio{{direction={way}}}"] == 0
        assert values[f"net.throughput.udp.reorder.ratio{{direction={way}}}"] == 0
        assert 0 <= values[f"net.throughput.udp.jitter{{direction={way}}}"] < 0.1
        counts = packets_of(found, direction)
        assert counts["sent_count"] > 50
        assert counts["lost_count"] == counts["duplicate_count"] == counts["dropped_count"] == 0
        assert 0 < counts["offered_bits_per_second"] < 1.1 * RATE_MEGABITS * 1e6
        assert document["directions"][direction]["bottleneck"] in {
            "rate", "path_queue", "processor",
        }  # fmt: skip
    assert values["net.latency.loaded.upload"] > 0 < values["net.latency.loaded.download"]
    assert not [key for key in values if key.startswith("net.throughput.tcp.")]
    assert not [key for key in values if key.startswith("net.tcp.")]
    assert any(
        "net.throughput.udp.receive{direction=reverse}" in one.values for one in found.samples
    )


async def test_a_direction_that_was_not_asked_for_does_not_apply(answering, throughput):
    async with answering():
        found = await throughput(direction="download", has_latency=False, duration_seconds=2)
    assert found.outcome.is_success, found.outcome.reason
    assert found.outcome.absent["net.throughput.udp.receive{direction=forward}"] == "N"
    assert found.outcome.values["net.throughput.udp.receive{direction=reverse}"] > 0


async def test_a_test_without_a_rate_of_its_own_has_ten_megabits(answering, throughput):
    async with answering():
        found = await throughput(
            direction="upload", has_latency=False, rate_megabits=0, duration_seconds=2
        )
    offered = packets_of(found, "upload")["offered_bits_per_second"]
    assert 4e6 < offered < 1.1 * 10e6


# A path with faults


class FaultyPath(asyncio.DatagramProtocol):
    """Passes on UDP; what carries data goes through a fault of its direction."""

    def __init__(self, far_port, fault):
        self.far_port = far_port
        self.fault = fault
        self.near = {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, source):
        far = ("127.0.0.1", self.far_port)
        tag = int.from_bytes(packet[TAG])
        if source == far:
            goal = self.near.get(tag)
        else:
            self.near[tag], goal = source, far
        is_data = tag in FLOW_TAGS and int.from_bytes(packet[:4]) != HELLO
        for copy in self.fault(packet) if is_data else [packet]:
            self.transport.sendto(copy, goal)


@pytest.fixture
def path(free_port):
    """A port before the far end's, whose UDP goes through a fault."""

    @asynccontextmanager
    async def stand_before(fault):
        async def pass_on(reader, writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", free_port)

            async def pump(source, goal):
                while part := await source.read(65_536):
                    goal.write(part)
                goal.close()

            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: FaultyPath(free_port, fault), local_addr=("127.0.0.1", port)
        )
        try:
            yield port
        finally:
            transport.close()
            server.close()

    return stand_before


def every(number, fault):
    def decide(packet):
        return fault(packet) if int.from_bytes(packet[:4]) % number == 3 else [packet]

    return decide


@pytest.mark.parametrize("direction", ["upload", "download"])
async def test_losses_and_copies_are_counted_exactly(answering, throughput, path, direction):
    async with answering(), path(every(10, lambda _: [])) as port:
        found = await throughput(port, direction=direction, has_latency=False)
    counts = packets_of(found, direction)
    lost = counts["lost_count"]
    assert abs(lost - counts["sent_count"] / 10) <= 1
    assert lost > 5
    assert found.outcome.document["directions"][direction]["bottleneck"] == "path_drops"
    async with answering(), path(every(10, lambda packet: [packet] * 2)) as port:
        found = await throughput(port, direction=direction, has_latency=False)
    counts = packets_of(found, direction)
    assert counts["lost_count"] == 0
    assert abs(counts["duplicate_count"] - counts["received_count"] / 10) <= 1


async def test_udp_that_does_not_get_through_is_said(answering, throughput, free_port, monkeypatch):
    monkeypatch.setattr("streamswarm_agent.probes.flow_client.HELLO_ATTEMPTS", 3)
    monkeypatch.setattr(
        "streamswarm_agent.probes.responders.flow.FlowSession.take", lambda *_: True
    )
    async with answering():
        found = await throughput(has_latency=False)
    assert not found.outcome.is_success
    assert "UDP packets do not reach the peer" in found.outcome.reason
    assert found.outcome.absent["net.throughput.udp.receive{direction=forward}"] == "N"


# Strangers


async def order_download(port, keys, **changes):
    opened = socket.socket()
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
    control = await introduce(opened, StreamKeys.derive(KEY, "run"), CONTROL)
    order = TransferOrder("download", 1, 20.0, 0.0, 1.0, pacing_bits_per_second=1e6, protocol="udp")
    await control.send({"transfer": asdict(order) | changes})
    return control, await control.receive()


def open_caller(port, address="127.0.0.1"):
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.bind((address, 0))
    caller.connect(("127.0.0.1", port))
    caller.setblocking(False)
    return caller


async def test_nothing_leaves_before_a_hello_from_the_address_that_is_proved(answering, free_port):
    keys = derive_flow_keys(KEY, "run", "download")
    hello = build_flow_packet(keys.forward, keys.tag, HELLO, sent_ns=0)
    loop = asyncio.get_running_loop()
    async with answering(), asyncio.timeout(ANSWER_SECONDS):
        control, said = await order_download(free_port, keys)
        assert said == {"ready": True}
        elsewhere, forger = open_caller(free_port, "127.0.0.2"), open_caller(free_port)
        elsewhere.send(hello)
        forger.send(hello[:-1] + bytes([hello[-1] ^ 1]))
        caller = open_caller(free_port)
        for _ in range(5):
            caller.send(hello)
        answer = await loop.sock_recv(caller, 4096)
        assert len(answer) == len(hello)
        assert read_flow_packet(keys.reverse, answer).sequence == HELLO
        assert await control.receive() == {"started": True}
        first = read_flow_packet(keys.reverse, await loop.sock_recv(caller, 4096))
        assert first.sequence == 0
        for stranger in (elsewhere, forger):
            with pytest.raises(BlockingIOError):
                stranger.recv(4096)
            stranger.close()
        caller.close()
        control.socket.close()


async def test_packets_stop_when_whoever_wants_them_falls_silent(answering, free_port, monkeypatch):
    monkeypatch.setattr("streamswarm_agent.probes.responders.flow.SILENCE_SECONDS", 0.5)
    keys = derive_flow_keys(KEY, "run", "download")
    loop = asyncio.get_running_loop()
    async with answering(), asyncio.timeout(ANSWER_SECONDS):
        control, _ = await order_download(free_port, keys)
        caller = open_caller(free_port)
        caller.send(build_flow_packet(keys.forward, keys.tag, HELLO, sent_ns=0))
        assert await control.receive() == {"started": True}
        # The far end closes the control connection once it has given up.
        assert await loop.sock_recv(control.socket, 1) == b""
        caller.close()
        control.socket.close()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"packet_bytes": 100}, "packet_bytes"),
        ({"pacing_bits_per_second": 0}, "pacing_bits_per_second"),
        ({"pacing_bits_per_second": 1e12}, "too many packets"),
        ({"protocol": "sctp"}, "sctp"),
    ],
)
async def test_an_order_beyond_the_limits_is_refused(answering, free_port, changes, named):
    async with answering(), asyncio.timeout(ANSWER_SECONDS):
        control, said = await order_download(free_port, None, **changes)
        assert named in said["refusal"]
        control.socket.close()


# Counting


def test_what_arrives_is_counted_by_number():
    counter = FlowCounter()
    moments = {0: 0.0, 1: 1.0, 3: 2.0, 2: 3.5, 5: 4.0}
    for number, reached in moments.items():
        counter.take(number, sent_ns=number, reached_ns=round(reached * 1e9), size_bytes=1000)
    counter.take(5, sent_ns=5, reached_ns=5, size_bytes=1000)
    found = counter.report(FlowSent(count=8, first=1, end=7))
    assert (found.sent_count, found.lost_count) == (6, 2)
    assert (found.received_count, found.duplicate_count, found.reordered_count) == (5, 1, 1)
    transits = [reached - number * 1e-9 for number, reached in moments.items()]
    assert found.jitter_seconds == pytest.approx(interarrival_jitter(transits))
    assert counter.received.bytes == 5000


def test_one_packet_has_no_jitter():
    counter = FlowCounter()
    counter.take(0, sent_ns=0, reached_ns=1, size_bytes=1)
    assert counter.report(FlowSent(1, 0, 1)).jitter_seconds is None


SENT = asdict(FlowSent(10, 2, 8, 1000, 1.0))
COUNTED = {
    "sent_count": 6, "lost_count": 2, "received_count": 8, "duplicate_count": 0,
    "reordered_count": 1, "jitter_seconds": None, "dropped_count": 0,
}  # fmt: skip


def test_what_the_ends_say_is_read_back():
    assert asdict(read_flow_sent(SENT)) == SENT
    assert asdict(read_flow_report(COUNTED)) == COUNTED


@pytest.mark.parametrize(
    "change",
    [{"first": 9}, {"end": 11}, {"count": -1}, {"count": 1 << 40}, {"seconds": float("nan")}],
)
def test_a_sender_that_says_what_cannot_be_is_not_believed(change):
    with pytest.raises(ValueError, match=r"range|among|finite"):
        read_flow_sent(SENT | change)


@pytest.mark.parametrize(
    "change",
    [
        {"lost_count": 7}, {"reordered_count": 9}, {"duplicate_count": -1}, {"dropped_count": -1},
        {"jitter_seconds": float("inf")}, {"received_count": 1 << 40},
    ],
)  # fmt: skip
def test_a_receiver_that_says_what_cannot_be_is_not_believed(change):
    with pytest.raises(ValueError, match=r"range|cannot be|finite"):
        read_flow_report(COUNTED | change)
