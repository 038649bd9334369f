"""Tests by hand, one after the other, against one answering end; and its questions under attack."""

import asyncio
import socket

import pytest

from agent.tests.probes.conftest import KEY
from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes import invitation
from streamswarm_agent.probes.base import Peer, ProbeRequest
from streamswarm_agent.probes.invitation import (
    ask_for_run,
    build_answer,
    build_question,
    derive_invitation_keys,
    read_answer,
    read_question,
)
from streamswarm_agent.probes.qos import QosProbe
from streamswarm_agent.probes.responders.by_hand import MOST_RUNS, ByHandResponder
from streamswarm_agent.probes.responders.qos import QosResponder
from streamswarm_agent.probes.responders.stream_port import StreamPorts
from streamswarm_agent.probes.responders.throughput import ThroughputResponder
from streamswarm_agent.probes.responders.udp_port import UdpPorts
from streamswarm_agent.probes.responders.udp_session import UdpSessionResponder
from streamswarm_agent.probes.throughput import ThroughputProbe
from streamswarm_agent.probes.udp_session import UdpSessionProbe

KEYS = derive_invitation_keys(KEY)
NONCE = bytes(range(16))
ANSWER_SECONDS = 30
FAST = {
    "udp_session": {"count": 10, "interval_seconds": 0.01, "timeout_seconds": 1},
    "throughput": {"has_latency": False, "rate_megabits": 4, "direction": "upload"},
    "qos": {"classes": "0,46", "interval_seconds": 0.01, "timeout_seconds": 1},
}


@pytest.fixture
def answering(clock, serve):
    def start(kind, request=None):
        ports = UdpPorts()
        responders = {
            "udp_session": lambda: UdpSessionResponder(clock, ports),
            "throughput": lambda: ThroughputResponder(clock, StreamPorts(), ports),
            "qos": lambda: QosResponder(clock, ports, StreamPorts()),
        }
        return serve(ByHandResponder(responders[kind](), ports), request)

    return start


@pytest.fixture
def call(free_port):
    callers = []

    def build(address="127.0.0.1"):
        caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        caller.bind((address, 0))
        caller.connect(("127.0.0.1", free_port))
        caller.setblocking(False)
        callers.append(caller)
        return caller

    yield build
    for caller in callers:
        caller.close()


async def receive(caller):
    async with asyncio.timeout(ANSWER_SECONDS):
        return await asyncio.get_running_loop().sock_recv(caller, 4096)


@pytest.mark.parametrize(
    ("kind", "probe"),
    [("udp_session", UdpSessionProbe), ("throughput", ThroughputProbe), ("qos", QosProbe)],
)
async def test_test_after_test_is_answered(
    answering, request_for, measure, clock, free_port, kind, probe
):
    request = request_for(kind, "", **FAST[kind])
    async with answering(kind):
        for _ in range(3):
            run_id = await ask_for_run("127.0.0.1", free_port, KEY)
            peer = Peer("127.0.0.1", free_port, KEY, run_id)
            asked = ProbeRequest("", request.parameters, 1.0, 0.5, peer)
            found = await measure(probe(clock, None), asked)
            assert found.outcome.is_success, found.outcome.reason


async def test_a_question_sent_again_gets_nothing(answering, call, free_port):
    holder, thief = call(), call()
    async with answering("udp_session"):
        holder.send(build_question(KEYS, NONCE))
        answer = await receive(holder)
        assert len(answer) == len(build_question(KEYS, NONCE))
        assert read_answer(KEYS, answer, NONCE) is not None
        for _ in range(20):
            thief.send(build_question(KEYS, NONCE))
        await ask_for_run("127.0.0.1", free_port, KEY)
        with pytest.raises(BlockingIOError):
            thief.recv(4096)


async def test_without_the_key_or_the_right_address_there_is_no_run(
    answering, ask_to_answer, call, free_port, monkeypatch
):
    monkeypatch.setattr(invitation, "ATTEMPTS", 2)
    async with answering("udp_session"):
        with pytest.raises(ProbeFailed, match="no answer"):
            await ask_for_run("127.0.0.1", free_port, bytes(32))
    async with answering("udp_session", ask_to_answer(allowed_address="127.0.0.1")):
        elsewhere = call("127.0.0.2")
        elsewhere.send(build_question(KEYS, NONCE))
        await ask_for_run("127.0.0.1", free_port, KEY)
        with pytest.raises(BlockingIOError):
            elsewhere.recv(4096)


async def test_nobody_there_is_said(free_port, monkeypatch):
    monkeypatch.setattr(invitation, "ATTEMPTS", 2)
    with pytest.raises(ProbeFailed, match=f"no answer from 127.0.0.1 UDP port {free_port}"):
        await ask_for_run("127.0.0.1", free_port, KEY)


async def test_runs_at_once_are_bounded_and_end_with_the_whole(clock, ask_to_answer, free_port):
    running = []

    class Waiting:
        kind = "udp_session"

        async def serve(self, request):
            running.append(request.run_id)
            try:
                await clock.sleep(request.duration_seconds)
            finally:
                running.remove(request.run_id)

    serving = asyncio.create_task(ByHandResponder(Waiting(), UdpPorts()).serve(ask_to_answer()))
    names = [await ask_for_run("127.0.0.1", free_port, KEY) for _ in range(MOST_RUNS + 3)]
    assert len(set(names)) == len(names)
    assert names[-1] in running
    assert names[0] not in running
    assert len(running) == MOST_RUNS + 1
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert running == []


async def test_a_port_that_is_taken_is_said_at_once(clock, ask_to_answer, free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        ports = UdpPorts()
        responder = ByHandResponder(ThroughputResponder(clock, StreamPorts(), ports), ports)
        with pytest.raises(ProbeFailed, match=f"cannot listen on TCP port {free_port}"):
            await responder.serve(ask_to_answer())


@pytest.mark.parametrize("place", range(112))
def test_every_byte_is_under_the_code(place):
    question, answer = build_question(KEYS, NONCE), build_answer(KEYS, NONCE, bytes(16))
    assert read_question(KEYS, question) == NONCE
    assert read_answer(KEYS, answer, NONCE) == bytes(16)
    for packet in (question, answer):
        changed = packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1 :]
        assert read_question(KEYS, changed) is read_answer(KEYS, changed, NONCE) is None
    assert read_answer(KEYS, answer, bytes(16)) is None
