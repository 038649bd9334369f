import asyncio

import pytest

from agent.tests.answering_server import read_example
from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Outcome, Sample
from streamswarm_agent.runtime.executor import RunExecutor
from streamswarm_agent.runtime.planner import plan_runs
from streamswarm_agent.runtime.scheduler import Scheduler
from streamswarm_agent.wire.messages import Lease
from streamswarm_agent.wire.schedule import derive_runs

DAY_MS = 86_400_000


class PacedProbe:
    """Emits a sample, says that it has begun, then waits for the test's word."""

    kind = "ping"

    def __init__(self):
        self.begun = asyncio.Queue()
        self.release = asyncio.Event()
        self.failure = None

    async def run(self, request, emit):
        await emit(Sample({"net.rtt.mean": 0.01}, {"net.rtt.max": "T"}))
        self.begun.put_nowait(request)
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        return Outcome(True, "icmp_raw", {"net.rtt.mean": 0.01}, facts={"address": "192.0.2.1"})


def make_lease(
    now_ms, *, horizon_ms=900_000, runs=(), cancelled=(), assignments=None, pauses=(), **changes
):
    document = read_example("leases_answer")
    assignment = document["assignments"][0] | changes
    document |= {
        "assignments": [assignment] if assignments is None else assignments,
        "runs": [{**document["runs"][0], **run} for run in runs],
        "cancelled": list(cancelled),
        "pauses": [{"start_ms": start_ms, "end_ms": end_ms} for start_ms, end_ms in pauses],
    }
    lease = Lease.parse(document)
    return Lease(
        now_ms,
        lease.schedule_revision,
        now_ms + horizon_ms,
        lease.assignments,
        lease.runs,
        lease.cancelled,
        lease.pauses,
    )


@pytest.fixture
def now_ms(kept):
    return kept.server_time.now_ms()


@pytest.fixture
def probe():
    return PacedProbe()


@pytest.fixture
async def executor(kept, probe):
    built = RunExecutor({"ping": probe}, kept.recorder, kept.server_time, watchdog_seconds=0.05)
    yield built
    await built.abort_all("end of test")


def plan_now(now_ms, **run):
    lease = make_lease(now_ms, runs=[{"start_ms": now_ms, **run}])
    return plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1)[0]


async def settle(executor):
    await asyncio.gather(*executor._tasks)


# Planning


def test_leased_runs_are_planned_by_start_and_past_ones_only_within_their_patience(now_ms):
    runs = [
        {"id": "a", "start_ms": now_ms + 2000},
        {"id": "b", "start_ms": now_ms - 9_000},
        {"id": "c", "start_ms": now_ms - 11_000},
        {"id": "d", "start_ms": now_ms + 9_000_000},
    ]
    planned = plan_runs(make_lease(now_ms, runs=runs), now_ms=now_ms, until_ms=now_ms + 60_000)
    assert [item.run.id for item in planned] == ["b", "a"]


def test_a_requested_run_may_start_two_minutes_late(now_ms):
    runs = [
        {"id": "a", "start_ms": now_ms - 119_000, "duration_seconds": 1, "is_on_demand": True},
        {"id": "b", "start_ms": now_ms - 121_000, "duration_seconds": 600, "is_on_demand": True},
    ]
    planned = plan_runs(make_lease(now_ms, runs=runs), now_ms=now_ms, until_ms=now_ms + 1)
    assert [item.run.id for item in planned] == ["a"]


def test_cancelled_runs_and_runs_of_unknown_assignments_are_not_planned(now_ms):
    runs = [{"id": "a", "start_ms": now_ms}, {"assignment_id": "other", "start_ms": now_ms}]
    lease = make_lease(now_ms, runs=runs, cancelled=["a"])
    assert plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1) == []


def test_without_a_server_the_slots_after_the_horizon_are_derived_for_seven_days(now_ms):
    lease = make_lease(now_ms, horizon_ms=60_000)
    (assignment,) = lease.assignments.values()
    later_ms = now_ms + 3 * DAY_MS
    planned = plan_runs(lease, now_ms=later_ms, until_ms=later_ms + 600_000)
    derived = derive_runs(assignment, from_ms=later_ms, until_ms=later_ms + 600_000)
    assert {run.id for run in derived} <= {item.run.id for item in planned}
    assert len(planned) >= 10
    end_ms = now_ms + 7 * DAY_MS
    assert plan_runs(lease, now_ms=end_ms + 60_000, until_ms=end_ms + 600_000) == []


def test_no_run_is_derived_into_a_pause(now_ms):
    begin_ms, end_ms = now_ms + DAY_MS, now_ms + DAY_MS + 600_000
    free = make_lease(now_ms, horizon_ms=60_000)
    paused = make_lease(now_ms, horizon_ms=60_000, pauses=[(begin_ms, end_ms)])
    window = {"now_ms": begin_ms - 600_000, "until_ms": end_ms + 600_000}
    starts = [item.run.start_ms for item in plan_runs(free, **window)]
    kept = [item.run.start_ms for item in plan_runs(paused, **window)]
    assert kept == [start for start in starts if not begin_ms <= start < end_ms]
    assert len(starts) - len(kept) >= 9


def test_a_leased_run_starts_in_a_pause_because_the_server_wants_it(now_ms):
    runs = [{"id": "a", "start_ms": now_ms}]
    lease = make_lease(now_ms, runs=runs, pauses=[(now_ms - 1000, now_ms + 1000)])
    assert [item.run.id for item in plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1)] == ["a"]


def test_a_lease_kept_by_an_earlier_version_has_no_pauses():
    document = read_example("leases_answer")
    del document["pauses"]
    assert Lease.parse(document).pauses == ()


def test_a_cron_schedule_is_derived_while_the_server_is_away(now_ms):
    schedule = {
        "kind": "cron", "revision": 1, "anchor_ms": 0, "every_ms": 0, "slip_ms": 0,
        "expression": "*/10 * * * *", "time_zone": "Europe/Berlin",
    }  # fmt: skip
    lease = make_lease(now_ms, horizon_ms=60_000, schedule=schedule)
    later_ms = now_ms + 2 * DAY_MS
    planned = plan_runs(lease, now_ms=later_ms, until_ms=later_ms + 3_600_000)
    assert len(planned) == 6
    assert all(item.run.start_ms % 600_000 == 0 for item in planned)


def test_inside_the_horizon_nothing_is_derived(now_ms):
    lease = make_lease(now_ms)
    assert plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 899_000) == []


def test_what_is_not_self_derivable_waits_for_the_server(now_ms):
    lease = make_lease(now_ms, horizon_ms=0, is_self_derivable=False)
    assert plan_runs(lease, now_ms=now_ms, until_ms=now_ms + DAY_MS) == []


# Executing


async def test_a_run_streams_its_samples_and_is_closed_by_a_result(kept, executor, probe, now_ms):
    planned = plan_now(now_ms)
    kept.clock.advance(0.25)
    executor.start(planned)
    await probe.begun.get()
    probe.release.set()
    await settle(executor)
    (frame,) = kept.payloads("frame")
    assert frame["source"] == {"kind": "assignment", "subject": planned.assignment.id}
    assert frame["run"] == planned.run.id
    assert frame["values"] == [None, 0.01]
    assert frame["absent"] == {"net.rtt.max": "T"}
    assert frame["seq"] == 3 * 2**40 + 1
    (result,) = kept.payloads("result")
    assert (result["outcome"], result["is_success"]) == ("completed", True)
    assert result["method"] == "icmp_raw"
    assert result["facts"] == {"address": "192.0.2.1"}
    assert result["values"]["agent.run.late"] == pytest.approx(0.25, abs=0.001)
    assert result["values"]["agent.run.overlap.count"] == 0
    assert kept.urgent.is_set()
    assert executor.running == {}


async def test_the_probe_gets_complete_parameters(executor, probe, now_ms):
    executor.start(plan_now(now_ms))
    request = await probe.begun.get()
    assert request.target == "192.0.2.1"
    assert request.parameters["interval_seconds"] == 0.5
    assert request.parameters["size_bytes"] == 56
    assert request.duration_seconds == 10


async def test_runs_side_by_side_count_each_other(kept, executor, probe, now_ms):
    for run_id in ("a", "b", "c"):
        executor.start(plan_now(now_ms, id=run_id))
    for _ in range(3):
        await probe.begun.get()
    probe.release.set()
    await settle(executor)
    counts = [result["values"]["agent.run.overlap.count"] for result in kept.payloads("result")]
    assert counts == [2, 2, 2]


async def test_runs_back_to_back_do_not_count_each_other(kept, executor, probe, now_ms):
    executor.start(plan_now(now_ms, id="a"))
    await probe.begun.get()
    kept.clock.advance(9.999)
    executor.start(plan_now(now_ms, id="b"))
    await probe.begun.get()
    probe.release.set()
    await settle(executor)
    counts = [result["values"]["agent.run.overlap.count"] for result in kept.payloads("result")]
    assert counts == [0, 0]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ProbeFailed("x.example: Name or service not known"), "Name or service not known"),
        (RuntimeError("bug"), "the probe broke"),
        (TimeoutError("its own"), "the probe broke"),
    ],
)
async def test_a_run_that_could_not_measure_says_why(
    kept, executor, probe, now_ms, failure, reason
):
    probe.failure = failure
    probe.release.set()
    executor.start(plan_now(now_ms))
    await settle(executor)
    (result,) = kept.payloads("result")
    assert result["outcome"] == "failed"
    assert result["is_success"] is None
    assert reason in result["reason"]


async def test_a_kind_or_parameter_this_agent_does_not_know_fails_the_run(kept, executor, now_ms):
    for changes in ({"kind": "telepathy"}, {"parameters": {"interval_seconds": 0}}):
        lease = make_lease(now_ms, runs=[{"start_ms": now_ms}], **changes)
        executor.start(plan_runs(lease, now_ms=now_ms, until_ms=now_ms + 1)[0])
        await settle(executor)
    unknown, refused = kept.payloads("result")
    assert "telepathy" in unknown["reason"]
    assert refused["reason"].startswith("interval_seconds: 0 is less than the minimum of 0.01")
    assert kept.payloads("frame") == []


async def test_a_probe_that_does_not_end_is_stopped(kept, executor, now_ms):
    executor.start(plan_now(now_ms, duration_seconds=0.01))
    await settle(executor)
    (result,) = kept.payloads("result")
    assert result["outcome"] == "failed"
    assert "outlasted" in result["reason"]


async def test_stopping_the_agent_aborts_its_runs_with_a_result_each(kept, executor, probe, now_ms):
    executor.start(plan_now(now_ms, id="a"))
    await probe.begun.get()
    executor.start(plan_now(now_ms, id="b"))
    await executor.abort_all("agent stopped")
    results = kept.payloads("result")
    assert {(item["run"], item["outcome"], item["reason"]) for item in results} == {
        ("a", "aborted", "agent stopped"),
        ("b", "aborted", "agent stopped"),
    }
    assert kept.spool.list_interrupted_runs() == []


async def test_a_run_is_in_the_journal_while_it_runs(kept, executor, probe, now_ms):
    executor.start(plan_now(now_ms))
    await probe.begun.get()
    (journaled,) = await kept.thread.call(kept.spool.list_interrupted_runs)
    assert journaled.slot == 43919
    await kept.recorder.close_interrupted_runs()
    (result,) = kept.payloads("result")
    assert result["outcome"] == "aborted"
    assert result["values"] == {}
    assert result["is_success"] is None


# Scheduling


@pytest.fixture
def scheduler(executor, kept):
    return Scheduler(executor, kept.server_time)


async def test_a_run_starts_at_its_time_and_once(kept, scheduler, executor, now_ms):
    scheduler.accept(make_lease(now_ms, runs=[{"id": "a", "start_ms": now_ms + 1500}]))
    assert scheduler.start_due_runs() == pytest.approx(1.5, abs=0.002)
    assert executor.running == {}
    kept.clock.advance(1.501)
    scheduler.start_due_runs()
    assert list(executor.running) == ["a"]
    await executor.abort_all("over")
    scheduler.start_due_runs()
    assert executor.running == {}


async def test_a_run_that_an_earlier_process_began_does_not_begin_again(kept, executor, now_ms):
    scheduler = Scheduler(executor, kept.server_time, started={"a": now_ms})
    scheduler.accept(make_lease(now_ms, runs=[{"id": "a", "start_ms": now_ms}]))
    scheduler.start_due_runs()
    assert executor.running == {}


async def test_it_does_not_begin_again_when_the_clock_was_wrong_at_the_start(
    kept, executor, now_ms
):
    kept.clock.step_wall(-10 * DAY_MS / 1000)
    scheduler = Scheduler(executor, kept.server_time, started={"a": now_ms})
    scheduler.start_due_runs()
    kept.clock.step_wall(10 * DAY_MS / 1000)
    scheduler.accept(make_lease(now_ms, runs=[{"id": "a", "start_ms": now_ms}]))
    scheduler.start_due_runs()
    assert executor.running == {}


async def test_a_run_whose_time_is_long_past_is_remembered_no_longer(kept, executor, now_ms):
    started = {"old": now_ms - DAY_MS - 1, "new": now_ms - DAY_MS}
    scheduler = Scheduler(executor, kept.server_time, started=started)
    scheduler.start_due_runs()
    assert scheduler._latest_start_ms == {"new": now_ms - DAY_MS}


async def test_a_cancelled_run_stops_and_says_so(kept, scheduler, executor, probe, now_ms):
    run = {"id": "a", "start_ms": now_ms}
    scheduler.accept(make_lease(now_ms, runs=[run]))
    scheduler.start_due_runs()
    await probe.begun.get()
    scheduler.accept(make_lease(now_ms, runs=[run], cancelled=["a"]))
    await settle(executor)
    (result,) = kept.payloads("result")
    assert (result["outcome"], result["reason"]) == ("cancelled", "cancelled on the server")


async def test_the_runs_of_a_withdrawn_test_stop(kept, scheduler, executor, probe, now_ms):
    scheduler.accept(make_lease(now_ms, runs=[{"id": "a", "start_ms": now_ms}]))
    scheduler.start_due_runs()
    await probe.begun.get()
    scheduler.accept(make_lease(now_ms, assignments=[]))
    await settle(executor)
    assert [result["outcome"] for result in kept.payloads("result")] == ["cancelled"]


async def test_without_a_server_the_schedule_goes_on_for_hours(kept, scheduler, executor, probe):
    probe.release.set()
    start_ms = kept.server_time.now_ms()
    lease = make_lease(start_ms, horizon_ms=60_000)
    scheduler.accept(lease)
    scheduling = asyncio.create_task(scheduler.run())
    while kept.server_time.now_ms() < start_ms + 2 * 3_600_000:  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(0)
    scheduling.cancel()
    await settle(executor)
    (assignment,) = lease.assignments.values()
    window = {"from_ms": lease.horizon_end_ms, "until_ms": start_ms + 2 * 3_600_000}
    expected = {run.id for run in derive_runs(assignment, **window)}
    results = kept.payloads("result")
    ran = [result["run"] for result in results]
    assert len(ran) == len(set(ran))
    assert expected <= set(ran)
    assert len(expected) in {118, 119, 120}
    assert max(result["values"]["agent.run.late"] for result in results) < 0.01
