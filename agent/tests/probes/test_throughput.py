"""Both ends of a throughput test over loopback, and the answering end under attack."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import pytest

from streamswarm_agent.probes.base import Peer, ResponderRequest
from streamswarm_agent.probes.responders.stream_port import (
    MOST_STRANGERS_AN_ADDRESS,
    StreamPorts,
    find_network,
)
from streamswarm_agent.probes.responders.throughput import ThroughputResponder, ThroughputSession
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.stream_client import StreamClient
from streamswarm_agent.probes.stream_report import (
    MOST_STREAMS,
    ReceivedReport,
    TransferOrder,
    read_received,
)
from streamswarm_agent.probes.stream_wire import (
    CHALLENGE_BYTES,
    CONTROL,
    GREETING_BYTES,
    Channel,
    StreamKeys,
    build_greeting,
    introduce,
)
from streamswarm_agent.probes.throughput import ThroughputProbe, plan_run

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
ANSWER_SECONDS = 30
RATE_MEGABITS = 20


@pytest.fixture
def answering(clock, serve, ask_to_answer, free_port):
    """A far end on `free_port` until the block ends."""

    @asynccontextmanager
    async def run(**changes):
        responder = ThroughputResponder(clock, StreamPorts(), UdpPorts())
        async with serve(responder, ask_to_answer(**changes)):
            yield free_port

    return run


@pytest.fixture
def throughput(request_for, measure, clock, free_port):
    async def run(key=KEY, *, duration_seconds=3.0, **parameters):
        request = request_for(
            "throughput", "", duration_seconds=duration_seconds, sample_interval_seconds=0.25,
            **{"rate_megabits": RATE_MEGABITS, **parameters},
        )  # fmt: skip
        peer = Peer("127.0.0.1", free_port, key, "run")
        return await measure(ThroughputProbe(clock, None), replace(request, peer=peer))

    return run


async def connect(port):
    opened = socket.socket()
    opened.setblocking(False)
    await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
    return opened


async def read_all(opened):
    received = bytearray()
    async with asyncio.timeout(ANSWER_SECONDS):
        while part := await asyncio.get_running_loop().sock_recv(opened, 4096):
            received += part
    return bytes(received)


async def send(opened, content):
    await asyncio.get_running_loop().sock_sendall(opened, content)


async def test_both_directions_have_every_figure(answering, throughput):
    async with answering():
        found = await throughput(streams=2, duration_seconds=8)
    values, document = found.outcome.values, found.outcome.document
    assert found.outcome.is_success, found.outcome.reason
    paced = RATE_MEGABITS * 1e6
    for name in ("receive", "send", "reverse"):
        assert 0.5 * paced < values[f"net.throughput.tcp.{name}"] < 1.5 * paced
    assert values["net.throughput.tcp.streams"] == 2
    assert 0 < values["net.throughput.tcp.efficiency"] <= 1
    assert values["net.latency.loaded.upload"] > 0 < values["net.latency.loaded.download"]
    assert values["net.responsiveness"] > 60
    assert 0 <= values["net.throughput.cpu.local"] <= 1
    assert values["net.tcp.retransmits"] >= 0
    assert values["net.tcp.rtt.receive"] > 0
    assert document["bufferbloat_grade"] in {"A+", "A", "B", "C", "D", "F"}
    assert len(document["stream_ports"]) == 4
    for direction in ("upload", "download"):
        assert len(document["directions"][direction]["timeline"]) > 4
    assert len(found.samples) >= 4
    assert found.outcome.facts["net.tcp.congestion.algorithm"]


async def test_a_direction_that_was_not_asked_for_does_not_apply(answering, throughput):
    async with answering():
        found = await throughput(direction="download", has_latency=False)
    values, absent = found.outcome.values, found.outcome.absent
    assert found.outcome.is_success
    assert values["net.throughput.tcp.reverse"] > 0
    assert values["net.tcp.rtt.receive"] > 0
    assert absent["net.throughput.tcp.receive"] == absent["net.latency.loaded.upload"] == "N"
    assert absent["net.bufferbloat.delta"] == "I"


def test_a_receiver_that_does_not_tell_its_round_trip_is_understood():
    told = asdict(ReceivedReport(10, 8, 1.0, [64.0], None, 0.04))
    assert read_received(told).rtt_seconds == 0.04
    del told["rtt_seconds"]
    assert read_received(told).rtt_seconds is None
    with pytest.raises(ValueError, match="finite"):
        read_received({**told, "rtt_seconds": "inf"})


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_peer_that_starts_late_is_waited_for(answering, throughput, protocol, monkeypatch):
    is_refused, connect_once = asyncio.Event(), StreamClient._connect

    async def connect_and_tell(client, *place):
        try:
            return await connect_once(client, *place)
        except ConnectionRefusedError:
            is_refused.set()
            raise

    monkeypatch.setattr(StreamClient, "_connect", connect_and_tell)
    async with asyncio.timeout(ANSWER_SECONDS), asyncio.TaskGroup() as group:
        measuring = group.create_task(throughput(protocol=protocol, rate_megabits=5))
        await is_refused.wait()
        async with answering():
            found = await measuring
    assert found.outcome.is_success, found.outcome.reason


async def test_nobody_at_the_other_end_is_a_result(throughput, monkeypatch):
    monkeypatch.setattr("streamswarm_agent.probes.stream_client.FIRST_ATTEMPTS", 2)
    found = await throughput()
    assert not found.outcome.is_success
    assert "refused" in found.outcome.reason.lower()
    assert found.outcome.absent["net.throughput.tcp.receive"] == "N"


async def test_a_peer_without_the_key_is_no_peer(answering, throughput):
    async with answering():
        found = await throughput(OTHER_KEY)
    assert not found.outcome.is_success
    assert found.outcome.absent["net.tcp.rtt.min"] == "T"


async def test_an_unknown_congestion_control_is_told_by_its_name(answering, throughput):
    async with answering():
        found = await throughput(congestion="nonesuch", direction="download")
    assert not found.outcome.is_success
    assert "nonesuch" in found.outcome.reason


# Strangers


async def test_a_stranger_gets_not_a_single_byte(answering):
    async with answering() as port:
        for key, run in ((OTHER_KEY, "run"), (KEY, "other run")):
            with await connect(port) as opened:
                await send(opened, build_greeting(StreamKeys.derive(key, run), CONTROL))
                assert await read_all(opened) == b""
        with await connect(port) as opened:
            await send(opened, b"GET / HTTP/1.1\r\n\r\n".ljust(GREETING_BYTES, b"\n"))
            assert await read_all(opened) == b""


async def test_a_greeting_caught_on_the_way_opens_nothing(answering):
    greeting = build_greeting(StreamKeys.derive(KEY, "run"), CONTROL)
    async with answering() as port:
        with await connect(port) as opened:
            await send(opened, greeting)
            challenge = await asyncio.get_running_loop().sock_recv(opened, 4096)
            assert len(challenge) == CHALLENGE_BYTES < GREETING_BYTES
            await send(opened, bytes(16))
            assert await read_all(opened) == b""


async def test_an_address_that_is_not_the_peers_gets_nothing(answering):
    async with answering(allowed_address="192.0.2.1") as port:
        with await connect(port) as opened:
            await send(opened, build_greeting(StreamKeys.derive(KEY, "run"), CONTROL))
            assert await read_all(opened) == b""


async def test_silent_connections_keep_nobody_out(answering):
    async with answering() as port:
        silent = [await connect(port) for _ in range(3 * MOST_STRANGERS_AN_ADDRESS)]
        opened = await connect(port)
        async with asyncio.timeout(ANSWER_SECONDS):
            await introduce(opened, StreamKeys.derive(KEY, "run"), CONTROL)
        for one in silent[: 2 * MOST_STRANGERS_AN_ADDRESS]:
            assert await read_all(one) == b""
        for one in (opened, *silent):
            one.close()


async def test_an_address_that_no_run_is_for_takes_no_place(answering):
    async with answering(allowed_address="127.0.0.2") as port:
        silent = [await connect(port) for _ in range(2 * MOST_STRANGERS_AN_ADDRESS)]
        for one in silent:
            assert await read_all(one) == b""
            one.close()


@pytest.mark.parametrize(
    ("address", "other", "is_same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_who_has_one_ipv6_address_has_its_neighbours(address, other, is_same):
    assert (find_network(address) == find_network(other)) == is_same


def make_session(clock):
    request = ResponderRequest("run", KEY, {}, 60, "127.0.0.1", 0)
    return ThroughputSession(request, clock.monotonic, UdpPorts())


@pytest.mark.parametrize(("number", "is_over"), [(CONTROL, True), (0, True), (MOST_STREAMS, False)])
async def test_what_no_order_can_be_for_is_closed(clock, number, is_over):
    session = make_session(clock)
    if is_over:
        await session.close()
    near, far = socket.socketpair()
    near.setblocking(False)
    session.join(number, Channel(far, KEY, KEY, b""))
    assert await read_all(near) == b""
    near.close()


def list_transfers():
    return [one for one in threading.enumerate() if one.name.startswith("transfer")]


async def wait_until(condition):
    while not condition():  # noqa: ASYNC110 - threads set no event of the loop
        await asyncio.sleep(0.01)


async def test_a_second_control_connection_ends_what_the_first_ordered(answering):
    order = asdict(TransferOrder("download", 1, 50.0, 0.0, 1.0))
    keys = StreamKeys.derive(KEY, "run")
    async with answering() as port, asyncio.timeout(ANSWER_SECONDS):
        opened = [await connect(port) for _ in range(3)]
        control = await introduce(opened[0], keys, CONTROL)
        await control.send({"transfer": order})
        assert await control.receive() == {"ready": True}
        await introduce(opened[1], keys, 0)
        assert await control.receive() == {"started": True}
        await wait_until(list_transfers)
        second = await introduce(opened[2], keys, CONTROL)
        await second.send({"transfer": order})
        assert await second.receive() == {"ready": True}
        await wait_until(lambda: not list_transfers())
        for one in opened:
            one.close()


async def test_the_port_is_given_back_when_the_run_is_over(answering, free_port):
    async with answering():
        pass
    with pytest.raises(ConnectionRefusedError):
        await connect(free_port)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"direction": "sideways"}, "sideways"),
        ({"streams": 0}, "streams"),
        ({"streams": 33}, "streams"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"glance_seconds": 0}, "glance_seconds"),
        ({"glance_seconds": 0.001}, "glance_seconds"),
        ({"glance_seconds": float("nan")}, "glance_seconds"),
        ({"pacing_bits_per_second": float("inf")}, "pacing"),
        ({"pacing_bits_per_second": float("nan")}, "pacing"),
        ({"window_bytes": -1}, "window_bytes"),
    ],
)
def test_an_order_beyond_the_limits_is_refused(change, named):
    order = {
        "direction": "upload",
        "streams": 1,
        "seconds": 1.0,
        "omit_seconds": 0.0,
        "glance_seconds": 1.0,
    }
    with pytest.raises(ValueError, match=named):
        TransferOrder(**order | change)


RECEIVED = {
    "total_bytes": 1,
    "window_bytes": 1,
    "window_seconds": 1.0,
    "rates": [8.0],
    "ramp_seconds": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"received": None},
        {"received": []},
        {"received": {}},
        {"received": RECEIVED | {"window_seconds": float("nan")}},
        {"received": RECEIVED | {"window_bytes": float("inf")}},
        {"received": RECEIVED | {"rates": ["fast"]}},
        {"cpu": "all of it"},
    ],
)
async def test_a_report_that_no_peer_gives_is_no_result(monkeypatch, answering, throughput, change):
    async def give(self, message):
        if "report" in message:
            message = {"report": message["report"] | change}
        await send_truly(self, message)

    send_truly = Channel.send
    monkeypatch.setattr(Channel, "send", give)
    async with answering():
        found = await throughput(direction="upload", has_latency=False, duration_seconds=1)
    assert not found.outcome.is_success
    assert "not understood" in found.outcome.reason
    assert found.outcome.absent["net.throughput.tcp.receive"]


@pytest.mark.parametrize("duration", [1, 5, 10, 60, 3600])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_run_fits_into_its_time(duration, directions):
    plan = plan_run(duration, directions, 2.0)
    assert plan.measured > 0
    assert plan.omitted <= 0.3 * (plan.omitted + plan.measured) + 1e-9
    assert plan.idle + directions * (plan.omitted + plan.measured) <= max(duration, 1)
