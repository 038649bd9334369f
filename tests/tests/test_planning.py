"""The planner makes the rows of coming runs: enough of them, the right ones, and each only once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import time_machine

from apps.core.clock import read_now, to_milliseconds
from apps.tests.algorithms.slots import compute_start_ms, iterate_slots
from apps.tests.models import Assignment, Run, Test
from apps.tests.services import close_overdue_runs, plan_runs, planning
from apps.tests.services.overdue import MISSED_GRACE
from apps.tests.services.planning import ON_DEMAND_PATIENCE, describe_schedule
from tests.factories.clients import make_client
from tests.factories.tests import forget_plans, make_assignment, make_run, make_test
from tests.factories.threads import run_together

pytestmark = pytest.mark.django_db


def test_planning_twice_makes_the_runs_once():
    make_assignment(make_client())
    forget_plans()
    assert plan_runs() > 2
    runs = list(Run.objects.order_by("id").values_list("id", "start_at"))
    assert plan_runs() == 0
    assert list(Run.objects.order_by("id").values_list("id", "start_at")) == runs


def test_a_planner_that_forgot_how_far_it_was_makes_the_same_rows():
    make_assignment(make_client())
    plan_runs()
    before = set(Run.objects.values_list("id", flat=True))
    Assignment.objects.update(planned_until=None)
    plan_runs()
    assert set(Run.objects.values_list("id", flat=True)) == before


@pytest.mark.django_db(transaction=True)
def test_planners_at_the_same_moment_make_each_run_once():
    now = read_now()
    clients = [make_client(f"probe-{n}") for n in range(20)]
    make_test("Loopback", *clients)
    forget_plans()
    made = run_together(4, lambda _number: plan_runs(now=now))
    assert sum(made) == Run.objects.count()
    for assignment in Assignment.objects.all():
        numbers = sorted(assignment.runs.values_list("slot", flat=True))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_runs_are_planned_to_the_horizon(settings):
    now = read_now()
    make_assignment(make_client(), every_seconds=10.0)
    plan_runs(now=now)
    last = Run.objects.order_by("start_at").last()
    horizon = now + timedelta(seconds=settings.SWARM_HORIZON_SECONDS)
    assert horizon - timedelta(seconds=20) < last.start_at <= horizon


@pytest.mark.parametrize("every_seconds", [3600.0, 86_400.0, 7 * 86_400.0])
@pytest.mark.parametrize("slip_seconds", [0.0, 600.0])
def test_at_least_two_runs_are_ahead_however_rare_they_are(every_seconds, slip_seconds):
    make_assignment(make_client(), every_seconds=every_seconds, slip_seconds=slip_seconds)
    now = read_now()
    for _ in range(8):
        plan_runs(now=now)
        assert Run.objects.filter(start_at__gt=now).count() >= 2
        now += timedelta(seconds=every_seconds / 2 + 7)


def test_the_horizon_moves_on_without_a_gap():
    assignment = make_assignment(make_client(), every_seconds=20.0)
    now = read_now()
    for _ in range(60):
        plan_runs(now=now)
        now += timedelta(seconds=71)
    numbers = sorted(assignment.runs.values_list("slot", flat=True))
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_planned_runs_start_where_the_shared_rule_says():
    assignment = make_assignment(make_client(), slip_seconds=30.0)
    plan_runs()
    schedule = describe_schedule(assignment)
    for run in assignment.runs.all():
        assert to_milliseconds(run.start_at) == compute_start_ms(schedule, run.slot)
        assert (run.end_at - run.start_at).total_seconds() == 10


def test_a_run_once_is_planned_once_even_if_its_moment_just_passed():
    start_at = read_now() - timedelta(seconds=3)
    assignment = make_assignment(
        make_client(), schedule_kind="once", every_seconds=None, start_at=start_at
    )
    forget_plans()
    assert plan_runs() == 1
    assert assignment.runs.get().start_at == start_at.replace(
        microsecond=start_at.microsecond // 1000 * 1000
    )
    assert plan_runs(now=read_now() + timedelta(days=1)) == 0


def test_a_run_once_far_ahead_is_planned_too():
    start_at = read_now() + timedelta(days=30)
    make_assignment(make_client(), schedule_kind="once", every_seconds=None, start_at=start_at)
    forget_plans()
    assert plan_runs() == 1


def test_continuous_runs_are_planned_back_to_back():
    assignment = make_assignment(
        make_client(), schedule_kind="continuous", every_seconds=None, duration_seconds=30.0
    )
    plan_runs()
    runs = list(assignment.runs.order_by("start_at"))
    assert len(runs) >= 2
    for run, following in pairwise(runs):
        assert run.end_at == following.start_at


def test_continuous_runs_that_are_long_have_two_ahead_as_well():
    make_assignment(
        make_client(), schedule_kind="continuous", every_seconds=None, duration_seconds=7200.0
    )
    plan_runs()
    assert Run.objects.filter(start_at__gt=read_now()).count() >= 2


def test_a_test_of_the_future_has_no_run_before_its_start():
    start_at = read_now() + timedelta(hours=6)
    make_assignment(make_client(), start_at=start_at)
    plan_runs()
    assert not Run.objects.filter(start_at__lt=start_at).exists()


def test_a_run_without_a_result_is_missed_after_its_grace():
    assignment = make_assignment(make_client())
    forget_plans()
    waiting = make_run(assignment)
    running = make_run(assignment, state=Run.State.RUNNING)
    assert close_overdue_runs(now=waiting.end_at + MISSED_GRACE) == 0
    late = max(waiting.end_at, running.end_at) + MISSED_GRACE + timedelta(seconds=1)
    assert close_overdue_runs(now=late) == 2
    waiting.refresh_from_db()
    running.refresh_from_db()
    assert (waiting.state, waiting.reason) == ("missed", "not started by the agent")
    assert (running.state, running.reason) == ("missed", "no result came")
    assert close_overdue_runs(now=late) == 0


def test_a_planner_that_slept_for_days_plans_only_what_is_ahead():
    make_assignment(make_client(), every_seconds=10.0)
    plan_runs()
    count = Run.objects.count()
    later = read_now() + timedelta(days=3)
    with time_machine.travel(later, tick=False):
        plan_runs()
    new = Run.objects.order_by("start_at")[count:]
    assert all(run.start_at >= later - timedelta(seconds=1) for run in new)


def test_a_run_once_that_is_long_past_is_not_planned():
    start_at = read_now() - timedelta(minutes=5)
    make_assignment(make_client(), schedule_kind="once", every_seconds=None, start_at=start_at)
    assert not Run.objects.exists()


def test_a_plan_made_by_a_clock_that_ran_ahead_is_made_anew():
    make_assignment(make_client())
    forget_plans()
    now = read_now()
    plan_runs(now=now + timedelta(days=1))
    assert plan_runs(now=now) > 2
    assert Run.objects.filter(start_at__lt=now + timedelta(minutes=5)).exists()


def test_a_run_asked_for_has_its_patience_before_it_is_missed():
    run = make_run(make_assignment(make_client()), is_on_demand=True)
    late = run.end_at + MISSED_GRACE + ON_DEMAND_PATIENCE
    close_overdue_runs(now=late)
    run.refresh_from_db()
    assert run.state == "scheduled"
    close_overdue_runs(now=late + timedelta(seconds=1))
    run.refresh_from_db()
    assert run.state == "missed"


@pytest.mark.parametrize(
    "expression", ["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 0 1 * *", "0 0 29 2 *"]
)
@pytest.mark.parametrize("slip_seconds", [0.0, 40.0])
def test_a_cron_schedule_has_at_least_two_runs_ahead_and_none_is_left_out(expression, slip_seconds):
    zone = "Europe/Berlin"
    assignment = make_assignment(
        make_client(), schedule_kind="cron", every_seconds=None, cron_expression=expression,
        time_zone=zone, slip_seconds=slip_seconds,
    )  # fmt: skip
    now = begin = read_now()
    step = timedelta(seconds=277)
    for _ in range(12):
        plan_runs(now=now)
        assert Run.objects.filter(start_at__gt=now).count() >= 2
        now += step
    window = {"from_ms": to_milliseconds(begin) + 60_000, "until_ms": to_milliseconds(now)}
    slots = list(iterate_slots(describe_schedule(assignment), **window))
    planned = set(assignment.runs.values_list("id", flat=True))
    assert {slot.run_id for slot in slots} <= planned


def test_a_rare_cron_schedule_costs_nothing_until_its_run_is_near():
    assignment = make_assignment(
        make_client(), schedule_kind="cron", every_seconds=None, cron_expression="0 0 1 * *",
        time_zone="UTC",
    )  # fmt: skip
    assignment.refresh_from_db()
    starts = list(assignment.runs.order_by("start_at").values_list("start_at", flat=True))
    assert len(starts) == 3
    assert assignment.plan_again_at == starts[1]


def test_a_tick_takes_those_first_that_wait_longest_and_leaves_the_rest(monkeypatch):
    monkeypatch.setattr("apps.tests.services.planning.ASSIGNMENTS_PER_TRANSACTION", 2)
    monkeypatch.setattr("apps.tests.services.planning.ASSIGNMENTS_PER_TICK", 4)
    make_test("Loopback", *[make_client(f"probe-{number}") for number in range(6)])
    forget_plans()
    rows = list(Assignment.objects.order_by("id"))
    now = read_now()
    for number, row in enumerate(rows):
        row.planned_until = row.plan_again_at = now - timedelta(minutes=number)
        row.save()
    plan_runs(now=now)
    planned = set(Assignment.objects.filter(planned_at=now).values_list("id", flat=True))
    assert planned == {row.id for row in rows[2:]}
    plan_runs(now=now)
    assert not Assignment.objects.filter(planned_at=None).exists()


@pytest.mark.parametrize("kind", ["every", "once", "continuous"])
def test_a_row_that_cannot_be_planned_does_not_stop_the_others(kind):
    probe = make_client()
    bad, good = make_assignment(probe, "bad"), make_assignment(probe, "good")
    end_of_time = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    Test.objects.filter(name="bad").update(start_at=end_of_time, schedule_kind=kind)
    forget_plans()
    assert plan_runs() > 2
    assert not bad.runs.exists()
    assert good.runs.count() > 2
    assert plan_runs() == 0


def test_a_batch_that_fails_does_not_stop_the_next(monkeypatch):
    probe = make_client()
    bad, good = make_assignment(probe, "bad"), make_assignment(probe, "good")
    forget_plans()
    # Planned once already, so that it comes after the other.
    Assignment.objects.filter(id=good.id).update(planned_until=read_now(), plan_again_at=None)
    insert = planning.insert_new_runs

    def fail_on_bad(proposals):
        if any(one.run.assignment_id == bad.id for one in proposals):
            raise OverflowError("a moment that no database can store")
        return insert(proposals)

    monkeypatch.setattr(planning, "insert_new_runs", fail_on_bad)
    monkeypatch.setattr(planning, "ASSIGNMENTS_PER_TRANSACTION", 1)
    assert plan_runs() > 2
    assert not bad.runs.exists()
    assert good.runs.count() > 2
