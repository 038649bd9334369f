"""Ten times the clients, and all of them again after an outage: refused in time, nothing lost."""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.tests.algorithms.slots import Schedule, compute_start_ms
from apps.tests.models import Run
from apps.tests.services import plan_runs
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.simulated_delivery import Tally
from streamswarm_agent.runtime.simulated_signals import SimulatedHost
from streamswarm_agent.runtime.simulation import Load, Notes, SimulatedClient
from streamswarm_agent.spool.ledger import describe_frame
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http
from tests.factories import wire
from tests.factories.clients import make_client
from tests.factories.tests import make_test
from tests.faults.oracle import Database, compare
from tests.faults.sending import issue_keys, open_sender, run_door
from tests.servers.waiting import wait_until

# Few threads, so that a machine of any speed is asked for more than it takes.
SETTINGS = {"SWARM_WEB_THREADS": "4"}
ORDINARY_CLIENTS = 20
CLIENTS = 10 * ORDINARY_CLIENTS
RETURNING_CLIENTS = 100
METRICS = 60
BUSY_SECONDS = 4.0
AWAY_SECONDS = 3.0
START_SECONDS = 120
CAP_BYTES = 400_000_000
SAMPLE_SECONDS = 0.1
REFUSED = frozenset({429, 503})
STARTS = 100
LEAST_SPREAD = 0.8


@dataclass(slots=True)
class Crowd:
    """Simulated clients in this process, what they were answered, and their ledger."""

    base_url: str
    keys: list[tuple[str, str]]
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[str] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def run(self, load):
        """Returns when every client has sent everything, or given up a minute after the load."""
        asyncio.run(self._run(load))

    async def _run(self, load):
        tls, stop = make_tls_context(self.base_url, None), asyncio.Event()
        servers, clients = [], []
        for number, (client_id, key) in enumerate(self.keys):
            http = open_http(self.base_url, tls)
            http.event_hooks = {"response": [self._note_answer]}
            servers.append(ServerClient(http, key))
            numbers = random.Random(number)  # noqa: S311 - test values, no secrets
            clients.append(
                SimulatedClient(
                    servers[-1],
                    SimulatedHost(METRICS, numbers),
                    load=load,
                    tally=self.tally,
                    clock=SystemClock(),
                    rng=numbers,
                    notes=Notes(self._make_note(client_id), lambda _anomaly: None),
                )
            )
        await asyncio.gather(*(client.run(stop, start_delay_seconds=0) for client in clients))
        await asyncio.gather(*(server.close() for server in servers))

    async def _note_answer(self, answer):
        self.statuses[answer.status_code] += 1
        if answer.status_code in REFUSED:
            self.waits.append(answer.headers.get("retry-after", ""))

    def _make_note(self, client_id):
        def note(record):
            frame = describe_frame(json.loads(record.payload))
            self.ledger.append(f"{client_id} {frame} {record.at}")

        return note

    def judge(self, stack):
        """The verdict on all that the server said it took, beside what it holds of these."""
        own = {client_id for client_id, _key in self.keys}
        stored = Database.of(stack.environment).list_frames()
        return compare(self.ledger, (f"{owner} {line}" for owner, line in stored if owner in own))


@contextmanager
def watch_memory(stack):
    """The sizes of the web server, sampled while the block lasts."""
    sizes: list[int] = []
    is_over = threading.Event()
    process = psutil.Process(stack.children["web"].process_id)

    def sample():
        while not is_over.wait(SAMPLE_SECONDS):
            sizes.append(process.memory_info().rss)

    with ThreadPoolExecutor(1) as pool:
        sampling = pool.submit(sample)
        try:
            yield sizes
        finally:
            is_over.set()
            sampling.result()


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def stack(request):
    with run_door(request, settings=SETTINGS) as running:
        yield running


@pytest.mark.faults
@pytest.mark.slow
def test_ten_times_the_clients_are_refused_in_time_and_lose_nothing(stack, rounds, fault_journal):
    crowd = Crowd(stack.base_url, issue_keys(stack, CLIENTS, "many"))
    with open_sender(stack, "afterwards") as sender:
        with watch_memory(stack) as sizes:
            crowd.run(Load(2, BUSY_SECONDS * max(1, rounds // 2)))
        # The queue is empty again: who comes now is served at once.
        begin = time.monotonic()
        answer = sender.post(wire.batch(wire.frame(id="a")))
        recovery_seconds = time.monotonic() - begin
    verdict = crowd.judge(stack)
    fault_journal.record(
        14, f"{CLIENTS} clients at once", verdict, recovery_seconds=recovery_seconds
    )
    assert answer.json()["stored"] == ["a"]
    assert set(crowd.statuses) - REFUSED == {200}, crowd.statuses
    assert len(crowd.waits) > ORDINARY_CLIENTS, crowd.statuses
    assert all(int(seconds) >= 1 for seconds in crowd.waits)
    assert max(sizes) < CAP_BYTES
    assert crowd.tally.is_exactly_once, crowd.tally.errors
    assert verdict.is_exactly_once, verdict
    assert verdict.measured == crowd.tally.frames


@pytest.mark.repeats("sqlite")
@pytest.mark.faults
@pytest.mark.slow
def test_all_clients_that_come_back_after_an_outage_bring_everything_once(
    stack, rounds, fault_journal
):
    crowd = Crowd(stack.base_url, issue_keys(stack, RETURNING_CLIENTS, "back"))
    load = Load(1, AWAY_SECONDS * max(3, rounds))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(crowd.run, load)
        wait_until(lambda: crowd.statuses[200], seconds=START_SECONDS, what="a first answer")
        stack.kill9("web")
        threading.Event().wait(AWAY_SECONDS)
        begin = time.monotonic()
        stack.restart("web")
        with watch_memory(stack) as sizes:
            running.result()
    recovery_seconds = time.monotonic() - begin
    verdict = crowd.judge(stack)
    fault_journal.record(
        14, f"{RETURNING_CLIENTS} clients return", verdict, recovery_seconds=recovery_seconds
    )
    assert crowd.tally.errors.total() > len(crowd.waits)  # the outage was felt
    assert set(crowd.statuses) - REFUSED == {200}, crowd.statuses
    assert max(sizes) < CAP_BYTES
    assert crowd.tally.is_exactly_once, crowd.tally.errors
    assert verdict.is_exactly_once, verdict
    assert verdict.measured == crowd.tally.frames


def measure_spread(starts_ms, interval_ms):
    """The share of the interval between the earliest and the latest start."""
    return (max(starts_ms) - min(starts_ms)) / interval_ms


def count_crowded(starts_ms, interval_ms):
    """The most starts in any tenth of the interval."""
    return max(Counter(10 * start // interval_ms for start in starts_ms).values())


assignments = st.lists(st.uuids().map(str), min_size=STARTS, max_size=STARTS, unique=True)


@given(
    assignments=assignments,
    kind=st.sampled_from(["every", "continuous"]),
    every_ms=st.integers(10_000, 86_400_000),
    number=st.integers(0, 1000),
)
def test_starts_of_many_clients_spread_over_the_interval(assignments, kind, every_ms, number):
    starts = []
    for assignment in assignments:
        schedule = Schedule(assignment, kind, 1, 0, every_ms, 0)
        starts.append(compute_start_ms(schedule, number) - number * every_ms)
    assert all(0 <= start < every_ms for start in starts)
    assert measure_spread(starts, every_ms) >= LEAST_SPREAD
    assert count_crowded(starts, every_ms) <= STARTS * 0.35


@given(
    assignments=assignments,
    slip_ms=st.integers(1_000, 3_600_000),
    minute=st.integers(0, 50_000_000),
    revision=st.integers(1, 1000),
)
def test_starts_of_one_cron_minute_spread_over_their_slip(assignments, slip_ms, minute, revision):
    starts = []
    for assignment in assignments:
        schedule = Schedule(assignment, "cron", revision, 0, 0, slip_ms, "* * * * *", "UTC")
        starts.append(compute_start_ms(schedule, minute) - minute * 60_000)
    assert all(0 <= start <= slip_ms for start in starts)
    assert measure_spread(starts, slip_ms) >= LEAST_SPREAD


@pytest.mark.django_db
def test_the_planned_runs_of_a_hundred_clients_spread_over_the_interval():
    clients = [make_client(f"probe-{number}") for number in range(STARTS)]
    test = make_test("Herd", *clients, every_seconds=60.0)
    plan_runs()
    runs = Run.objects.filter(assignment__test=test).order_by("start_at")
    first_starts = {}
    for assignment_id, start_at in runs.values_list("assignment_id", "start_at"):
        first_starts.setdefault(assignment_id, round(start_at.timestamp() * 1000))
    assert len(first_starts) == STARTS
    assert measure_spread(first_starts.values(), 60_000) >= LEAST_SPREAD
