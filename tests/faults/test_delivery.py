"""The same batch again and again, at once, split, merged and shuffled: stored once, all told so."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from apps.core.clock import read_now
from apps.ingest.codec import decode_batch
from apps.ingest.services import store_batch
from apps.metrics.models import Fact, Frame, Latest
from apps.tests.models import Result
from tests.factories import wire
from tests.factories.clients import make_client
from tests.factories.tests import make_assignment, make_run
from tests.faults.oracle import Database
from tests.faults.sending import open_sender, run_door

THREADS = 50
FRAMES = 20
START_SECONDS = 120
STEPS = 15
# One key may not take the whole door.
TOO_MANY_AT_ONCE = 429
RETRY_SECONDS = 0.1


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def stack(request):
    with run_door(request) as running:
        yield running


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, THREADS])
def test_a_batch_delivered_so_many_times_at_once_is_stored_once(stack, times, fault_journal):
    frames = [
        wire.frame(id=f"{number}", source=("interface", f"eth{number % 3}"))
        for number in range(FRAMES)
    ]
    duplicates = Database.of(stack.environment).count_duplicates()
    barrier = Barrier(times)
    with open_sender(stack, f"times-{times}") as sender:
        body = wire.batch(*frames)

        def deliver(_number):
            barrier.wait(START_SECONDS)
            while (answer := sender.post(body)).status_code == TOO_MANY_AT_ONCE:
                assert int(answer.headers["Retry-After"]) >= 1
                threading.Event().wait(RETRY_SECONDS)
            assert answer.status_code == 200, answer.text
            return answer.json()

        with ThreadPoolExecutor(times) as pool:
            answers = list(pool.map(deliver, range(times)))
        verdict = sender.judge(stack, frames)
    fault_journal.record(
        10, f"{times} times at once", verdict, nothing_to_recover="nothing is interrupted"
    )
    assert verdict.is_exactly_once, verdict
    assert [answer["rejected"] for answer in answers] == [[]] * times
    assert Counter(name for answer in answers for name in answer["stored"]) == dict.fromkeys(
        map(str, range(FRAMES)), 1
    )
    told = Counter(name for answer in answers for name in answer["duplicate"])
    assert told == Counter({str(number): times - 1 for number in range(FRAMES)})
    written = Database.of(stack.environment).count_duplicates() - duplicates
    assert written == FRAMES * (times - 1)


class Deliveries(RuleBasedStateMachine):
    """An agent's line that repeats, splits, merges and reorders what was measured."""

    batches = 0

    def __init__(self):
        super().__init__()
        self.probe = make_client(f"probe-{id(self)}-{read_now()}")
        self.assignment = make_assignment(self.probe, f"Ping {self.probe.name}")
        self.measured = []
        self.delivered = set()
        self.stored = Counter()

    def deliver(self, records):
        batch = wire.batch(*({**record, "id": f"{n}"} for n, record in enumerate(records)))
        answer = store_batch(
            client_id=self.probe.id, batch=decode_batch(json.dumps(batch).encode())
        )
        Deliveries.batches += 1
        assert answer.rejected == []
        told = answer.stored + answer.duplicate
        assert sorted(map(int, told)) == list(range(len(records)))
        for name in answer.stored:
            self.stored[describe(records[int(name)])] += 1
        self.delivered.update(map(describe, records))

    @rule(
        subject=st.sampled_from(["eth0", "eth1"]),
        seconds_ago=st.integers(0, 6 * 86_400),
        repeats=st.integers(1, 3),
    )
    def measure_frames(self, subject, seconds_ago, repeats):
        at = read_now() - timedelta(seconds=seconds_ago)
        frames = [wire.frame(source=("interface", subject), at=at) for _ in range(repeats)]
        self.measured.extend(frames)

    @rule()
    def finish_run(self):
        run = make_run(self.assignment)
        self.measured.append(wire.result(self.assignment.id, run=run.id))

    @rule(value=st.sampled_from(["6.1", "6.2"]))
    def learn_fact(self, value):
        self.measured.append(wire.fact(value=value, source=("host", "")))

    @rule(draw=st.data())
    def deliver_any(self, draw):
        """A part, or a mix of parts, in any order and with repetitions inside the batch."""
        if self.measured:
            chosen = draw.draw(st.lists(st.sampled_from(range(len(self.measured))), max_size=12))
            self.deliver([self.measured[place] for place in chosen])

    @rule(is_backwards=st.booleans())
    def deliver_everything(self, is_backwards):
        self.deliver(self.measured[:: -1 if is_backwards else 1])

    @invariant()
    def everything_delivered_is_there_once(self):
        frames = {name for name in self.delivered if name[0] == "frame"}
        results = {name for name in self.delivered if name[0] == "result"}
        own = Frame.objects.filter(source__client=self.probe)
        assert {("frame", row.source.subject, row.seq) for row in own} == frames
        assert own.count() == len(frames)
        runs = Result.objects.filter(run__assignment=self.assignment)
        assert {("result", str(row.run_id)) for row in runs} == results

    @invariant()
    def each_was_answered_as_stored_once(self):
        measurements = {name for name in self.delivered if name[0] != "fact"}
        assert {name: self.stored[name] for name in measurements} == dict.fromkeys(measurements, 1)
        facts = sum(self.stored[name] for name in self.delivered - measurements)
        assert Fact.objects.filter(source__client=self.probe).count() == facts

    @invariant()
    def the_latest_is_the_newest_by_time(self):
        for latest in Latest.objects.filter(source__client=self.probe, source__kind="interface"):
            newest = Frame.objects.filter(source=latest.source_id).order_by("at", "seq").last()
            assert (latest.at, latest.seq) == (newest.at, newest.seq)


def describe(record):
    payload = record["data"]
    if record["kind"] == "result":
        return ("result", payload["run"])
    if record["kind"] == "fact":
        return ("fact", payload["value"], record["at"])
    return ("frame", payload["source"]["subject"], payload["seq"])


@pytest.mark.django_db
def test_whatever_a_line_does_to_batches_each_record_is_stored_and_answered_as_stored_once():
    profile = settings()
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=max(10, profile.max_examples // 3), stateful_step_count=STEPS
        ),
    )
    assert Deliveries.batches >= STEPS
