"""Runs of two agents: both ends in one process, each with its own executor, over a real socket."""

import asyncio
import hmac
import socket

import pytest

from agent.tests.answering_server import read_example
from agent.tests.probes.conftest import TableResolver
from streamswarm_agent.probes.base import Outcome
from streamswarm_agent.runtime.executor import RunExecutor
from streamswarm_agent.runtime.pairing import Pairing
from streamswarm_agent.runtime.planner import plan_runs
from streamswarm_agent.runtime.scheduler import Scheduler
from streamswarm_agent.wire.messages import Lease

KEY = bytes(range(32))


def sign(key, run_id):
    return run_id.encode() + hmac.digest(key, run_id.encode(), "sha256")[:16]


class SignedEcho(asyncio.DatagramProtocol):
    """Sends back what the key of the run has signed."""

    def __init__(self, request):
        self.request = request
        self.refused = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, datagram, sender):
        if datagram == sign(self.request.key, self.request.run_id):
            self.transport.sendto(datagram, sender)
        else:
            self.refused += 1


class EchoResponder:
    kind = "ping"

    def __init__(self):
        self.requests = asyncio.Queue()
        self.closed = asyncio.Event()

    async def serve(self, request):
        loop = asyncio.get_running_loop()
        address = (request.bind_address or "127.0.0.1", request.port)
        transport, _echo = await loop.create_datagram_endpoint(
            lambda: SignedEcho(request), local_addr=address
        )
        self.requests.put_nowait(request)
        try:
            await asyncio.sleep(request.duration_seconds)
        finally:
            transport.close()
            self.closed.set()


class Answers(asyncio.DatagramProtocol):
    def __init__(self):
        self.first = asyncio.get_running_loop().create_future()

    def datagram_received(self, datagram, _sender):
        if not self.first.done():
            self.first.set_result(datagram)


class EchoProbe:
    """Asks the peer once and succeeds when the answer is signed with the run's key."""

    kind = "ping"

    async def run(self, request, emit):
        loop = asyncio.get_running_loop()
        peer = request.peer
        asked = sign(peer.key, peer.run_id)
        transport, answers = await loop.create_datagram_endpoint(
            Answers, remote_addr=(peer.address, peer.port)
        )
        transport.sendto(asked)
        try:
            answered = await asyncio.wait_for(answers.first, 5)
        finally:
            transport.close()
        return Outcome(answered == asked, "udp", {"net.rtt.mean": 0.001})


def make_lease(now_ms, role, *, port=8620, address="127.0.0.1", **changes):
    document = read_example("leases_answer.pair")
    assignment = document["assignments"][0] | {"role": role, "kind": "ping"}
    run = document["runs"][0] | {"start_ms": now_ms, **changes}
    peer = {"address": address, "port": port, "key": KEY.hex()}
    document |= {"assignments": [assignment], "runs": [run | {"peer": peer}]}
    lease = Lease.parse(document)
    return Lease(now_ms, 1, now_ms + 900_000, lease.assignments, lease.runs, frozenset())


@pytest.fixture
def now_ms(kept):
    return kept.server_time.now_ms()


@pytest.fixture
async def make_executor(kept):
    built = []

    def make(probes=(), *, responders=(), port=0, resolver=None):
        pairing = Pairing(
            resolver or TableResolver(), {one.kind: one for one in responders}, port=port
        )
        by_kind = {probe.kind: probe for probe in probes}
        executor = RunExecutor(by_kind, kept.recorder, kept.server_time, pairing=pairing)
        built.append(executor)
        return executor

    yield make
    for executor in built:
        await executor.abort_all("end of test")


def start(executor, lease, *, at_ms):
    (planned,) = plan_runs(lease, now_ms=at_ms, until_ms=at_ms + 1)
    executor.start(planned)
    return planned


async def settle(executor):
    await asyncio.gather(*executor._tasks)


@pytest.fixture
def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


# Planning


def test_the_answering_end_is_there_ten_seconds_before_and_after(now_ms):
    lease = make_lease(now_ms + 60_000, "responder", duration_seconds=30)
    assert plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 50_000) == []
    (planned,) = plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 50_001)
    assert planned.begin_ms == now_ms + 50_000
    assert planned.latest_start_ms == now_ms + 60_000 + 30_000 + 10_000


def test_a_run_asked_for_is_answered_for_as_long_as_it_may_begin_late(now_ms):
    lease = make_lease(now_ms, "responder", duration_seconds=30, is_on_demand=True)
    (planned,) = plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1)
    assert planned.latest_start_ms == now_ms + 30_000 + 120_000 + 10_000


def test_the_slip_of_a_paired_run_is_no_excuse_to_be_late(now_ms):
    lease = make_lease(now_ms, "initiator")
    (assignment,) = lease.assignments.values()
    assert assignment.schedule.slip_ms == 5_000
    assert plan_runs(lease, now_ms=now_ms + 5_000, until_ms=now_ms + 5_001)
    assert plan_runs(lease, now_ms=now_ms + 5_001, until_ms=now_ms + 5_002) == []


def test_a_paired_run_is_never_derived_whatever_the_lease_says(now_ms):
    document = read_example("leases_answer.pair")
    document["assignments"] = [row | {"is_self_derivable": True} for row in document["assignments"]]
    parsed = Lease.parse(document)
    lease = Lease(now_ms, 1, now_ms, parsed.assignments, (), frozenset())
    assert plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 86_400_000) == []


# Both ends


async def test_two_agents_run_one_test_and_only_the_initiator_has_a_result(
    kept, make_executor, now_ms, free_port
):
    responder = EchoResponder()
    far = make_executor(responders=[responder], port=free_port)
    near = make_executor([EchoProbe()])
    start(far, make_lease(now_ms, "responder", address=""), at_ms=now_ms)
    request = await responder.requests.get()
    assert (request.key, request.port, request.allowed_address) == (KEY, free_port, "")
    assert request.duration_seconds == pytest.approx(20, abs=0.01)
    start(near, make_lease(now_ms, "initiator", port=free_port), at_ms=now_ms)
    await settle(near)
    (result,) = kept.payloads("result")
    assert (result["outcome"], result["is_success"]) == ("completed", True)
    far.cancel(request.run_id, "over")
    await settle(far)
    assert responder.closed.is_set()
    assert len(kept.payloads("result")) == 1
    assert kept.spool.list_interrupted_runs() == []


async def test_the_owner_of_the_host_decides_on_which_port(make_executor, now_ms, free_port):
    responder = EchoResponder()
    far = make_executor(responders=[responder], port=free_port)
    start(far, make_lease(now_ms, "responder", port=22), at_ms=now_ms)
    assert (await responder.requests.get()).port == free_port


async def test_an_agent_whose_owner_wants_no_callers_answers_nobody(make_executor, now_ms, caplog):
    caplog.set_level("INFO")
    responder = EchoResponder()
    far = make_executor(responders=[responder], port=0)
    start(far, make_lease(now_ms, "responder"), at_ms=now_ms)
    await settle(far)
    assert responder.requests.empty()
    assert "answers no runs of 'ping'" in caplog.text


async def test_a_peer_that_policy_denies_is_not_measured(kept, make_executor, now_ms):
    resolver = TableResolver(refused=frozenset({"127.0.0.1"}))
    near = make_executor([EchoProbe()], resolver=resolver)
    start(near, make_lease(now_ms, "initiator"), at_ms=now_ms)
    await settle(near)
    (result,) = kept.payloads("result")
    assert (result["outcome"], result["reason"]) == ("failed", "policy denies 127.0.0.1")


async def test_keys_are_in_no_log_and_in_no_text(make_executor, now_ms, free_port, caplog):
    caplog.set_level("DEBUG")
    responder = EchoResponder()
    far = make_executor(responders=[responder], port=free_port)
    planned = start(far, make_lease(now_ms, "responder"), at_ms=now_ms)
    request = await responder.requests.get()
    for text in (repr(planned), repr(request), caplog.text):
        assert KEY.hex() not in text
        assert repr(KEY) not in text


async def test_a_cancelled_run_is_left_by_the_answering_end(kept, make_executor, now_ms, free_port):
    responder = EchoResponder()
    far = make_executor(responders=[responder], port=free_port)
    scheduler = Scheduler(far, kept.server_time)
    lease = make_lease(now_ms, "responder")
    scheduler.accept(lease)
    scheduler.start_due_runs()
    request = await responder.requests.get()
    cancelled = frozenset({request.run_id})
    scheduler.accept(Lease(now_ms, 2, now_ms + 1, lease.assignments, lease.runs, cancelled))
    await settle(far)
    assert responder.closed.is_set()
    scheduler.start_due_runs()
    assert far.running == {}


async def test_waiting_for_a_peer_before_the_start_overlaps_with_nothing(
    kept, make_executor, now_ms, free_port
):
    responder = EchoResponder()
    executor = make_executor([EchoProbe()], responders=[responder], port=free_port)
    start(executor, make_lease(now_ms + 9_000, "responder", id="b"), at_ms=now_ms)
    await responder.requests.get()
    lease = make_lease(now_ms, "initiator", port=free_port, id="a", duration_seconds=5)
    (planned,) = plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1)
    executor.start(planned)
    assert all(not active.neighbours for active in executor._active.values())
