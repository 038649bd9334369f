import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tests.answering_server import read_example
from streamswarm_agent.runtime.simulated_anomalies import Anomaly, AnomalyPlan
from streamswarm_agent.runtime.simulated_delivery import Faults, Outbox, Tally
from streamswarm_agent.runtime.simulated_signals import SimulatedHost, SimulatedPing
from streamswarm_agent.wire.catalogue import load_metrics
from streamswarm_agent.wire.keys import parse_key
from streamswarm_agent.wire.messages import Lease, RecordsAnswer
from streamswarm_agent.wire.records import SpooledRecord
from streamswarm_agent.wire.schedule import derive_runs

NOON = 1_769_860_800.0
SHARES = st.floats(0, 1)
ASSIGNMENT = next(
    one
    for one in Lease.parse(read_example("leases_answer")).assignments.values()
    if one.schedule.kind == "every"
)


def make_rng(seed):
    return random.Random(seed)  # noqa: S311 - the same frames again and again is the point


def make_outbox(faults, tally, seed=0, *, frames_per_request=None, taken=None):
    noted = [] if taken is None else taken
    return Outbox(
        faults,
        tally,
        make_rng(seed),
        frames_per_request=frames_per_request,
        on_taken=noted.append,
    )


def make_record(number):
    return SpooledRecord(number, "frame", "", None, "", 0)


class StoringServer:
    """Stores each frame once, and says so or breaks the line before it can."""

    def __init__(self):
        self.stored = set()

    def take(self, records):
        stored, duplicate = [], []
        for record in records:
            number = record.id % (1 << 40)
            (duplicate if number in self.stored else stored).append(str(record.id))
            self.stored.add(number)
        return RecordsAnswer(tuple(stored), tuple(duplicate), ())


@settings(max_examples=60, deadline=None)
@given(
    duplicate_share=SHARES,
    is_shuffled=st.booleans(),
    frames_per_request=st.none() | st.integers(1, 9),
    numbers=st.lists(st.integers(0, 6), min_size=1, max_size=12),
    losses=st.sets(st.integers(0, 40)),
    seed=st.integers(0, 1000),
)
def test_each_frame_is_counted_once_whatever_befalls_it(
    duplicate_share, is_shuffled, frames_per_request, numbers, losses, seed
):
    tally, taken, server = Tally(), [], StoringServer()
    faults = Faults(duplicate_share=duplicate_share, is_shuffled=is_shuffled)
    outbox = make_outbox(faults, tally, seed, frames_per_request=frames_per_request, taken=taken)
    requests = 0

    def send(records):
        nonlocal requests
        requests += 1
        answer = server.take(records)
        if requests in losses:
            outbox.note_failure(records)
        else:
            outbox.account(answer)

    for number in numbers:
        for _ in range(number):
            outbox.add(make_record(tally.frames + 1))
        if records := outbox.pick():
            send(records)
    while not outbox.is_empty:
        if records := outbox.pick(is_last=True):
            send(records)
    assert sorted(record.id for record in taken) == list(range(1, tally.frames + 1))
    assert tally.unanswered == tally.doubled == tally.unexplained_duplicate == 0
    assert tally.is_exactly_once is (tally.frames > 0)


def test_a_duplicate_that_nobody_can_have_stored_is_unexplained():
    tally = Tally()
    outbox = make_outbox(Faults(), tally)
    outbox.add(make_record(1))
    outbox.account(RecordsAnswer((), ("1",), ()))
    assert tally.unexplained_duplicate == 1
    assert not tally.is_exactly_once


def test_an_answer_about_strangers_counts_for_nothing():
    tally = Tally()
    outbox = make_outbox(Faults(), tally)
    outbox.add(make_record(1))
    outbox.account(RecordsAnswer(("2",), ("3",), ()))
    assert (tally.stored, tally.duplicate, tally.unanswered) == (0, 0, 1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_plan_spoils_the_share_of_frames_that_was_asked_for(share):
    past = []
    kinds = ("level_shift", "spike", "loss_burst", "drop_out")
    plan = AnomalyPlan(share, kinds, make_rng(3), on_past=past.append)
    steps = [plan.step(NOON + number) for number in range(60_000)]
    plan.close()
    spoilt = sum(step is not None for step in steps)
    assert spoilt / len(steps) == pytest.approx(share, abs=0.02)
    assert sum(one.frames for one in past) == spoilt
    for one in past:
        first = int(one.started_at - NOON)
        assert one.finished_at - one.started_at == one.frames - 1
        assert {id(step) for step in steps[first : first + one.frames]} == {id(one.anomaly)}


@pytest.mark.parametrize("metrics", [1, 24, 60, 256])
def test_a_host_has_as_many_metrics_of_the_catalogue_as_asked_for(metrics):
    host = SimulatedHost(metrics, make_rng(1))
    assert len(host.layout.keys) == metrics
    for key in host.layout.keys:
        name, attributes = parse_key(key)
        assert set(attributes) <= set(load_metrics()[name].attributes)


def test_more_metrics_than_a_layout_holds_are_refused():
    with pytest.raises(ValueError, match="at most 256"):
        SimulatedHost(257, make_rng(1))


def read_day(host, key, anomaly=None):
    place = host.layout.keys.index(key)
    return [host.measure(NOON + 600 * step, anomaly)[0][place] for step in range(144)]


def test_a_hosts_day_has_busy_and_quiet_hours_within_the_metrics_limits():
    host = SimulatedHost(24, make_rng(1))
    busy = read_day(host, "system.cpu.utilization")
    idle = read_day(host, "system.cpu.utilization{state=idle}")
    assert max(busy) - min(busy) > 0.2
    assert all(0 <= value <= 1 for value in (*busy, *idle))
    assert busy.index(max(busy)) != idle.index(max(idle))


@pytest.mark.parametrize("kind", ["level_shift", "spike"])
def test_an_anomaly_of_a_host_shows_in_the_keys_it_names(kind):
    usual = SimulatedHost(24, make_rng(5))
    struck = SimulatedHost(24, make_rng(5))
    anomaly = Anomaly(kind, 1.0, 10)
    for key in ("system.cpu.utilization", "system.memory.usage{state=used}"):
        assert key in usual.list_affected_keys(kind)
        pairs = zip(read_day(usual, key), read_day(struck, key, anomaly), strict=True)
        assert all(after > before for before, after in pairs)


def measure_ping(kind=None, *, samples=50):
    ping = SimulatedPing(ASSIGNMENT, make_rng(2))
    anomaly = kind and Anomaly(kind, 1.0, 10)
    measured = [ping.measure(NOON + number, anomaly) for number in range(samples)]
    for values, absent in measured:
        named = dict(zip(ping.layout.keys, values, strict=True))
        assert {key for key, value in named.items() if value is None} == set(absent)
        assert all(math.isfinite(value) for value in values if value is not None)
    return [dict(zip(ping.layout.keys, values, strict=True)) for values, _absent in measured]


def test_a_pings_figures_agree_with_each_other():
    for sample in measure_ping():
        if sample["net.rtt.min"] is not None:
            assert sample["net.rtt.min"] <= sample["net.rtt.median"] <= sample["net.rtt.max"]
        lost = sample["net.packet.sent"] - sample["net.packet.received"]
        assert sample["net.packet.loss.ratio"] == pytest.approx(lost / sample["net.packet.sent"])


@pytest.mark.parametrize("kind", ["level_shift", "spike"])
def test_round_trips_of_a_struck_ping_are_longer(kind):
    longest_usual = max(sample["net.rtt.median"] for sample in measure_ping())
    assert min(sample["net.rtt.median"] for sample in measure_ping(kind)) > longest_usual


def test_a_loss_burst_loses_everything_and_says_why_times_are_absent():
    for sample in measure_ping("loss_burst"):
        assert sample["net.packet.loss.ratio"] == 1.0
        assert sample["net.rtt.mean"] is None


def test_samples_belong_to_the_run_of_their_slot():
    ping = SimulatedPing(ASSIGNMENT, make_rng(2))
    runs = list(derive_runs(ASSIGNMENT, from_ms=int(NOON) * 1000, until_ms=int(NOON + 600) * 1000))
    for run in runs:
        assert ping.find_run_id(run.start_ms / 1000 + 0.001) == run.id
    assert len({run.id for run in runs}) == len(runs) > 5
    assert ping.find_run_id(0.0) is not None
