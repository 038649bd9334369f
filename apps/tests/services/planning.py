"""The planner: makes the rows of coming runs, the same ones however often it runs."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apps.core.bus import publish
from apps.core.clock import MILLISECONDS, from_milliseconds, read_now, to_milliseconds
from apps.tests.algorithms.slots import Schedule, Slot, iterate_slots
from apps.tests.models import Assignment, Run
from apps.tests.published import RunFinished

MISSED_GRACE = timedelta(seconds=90)
LEAST_RUNS_AHEAD = 2
ASSIGNMENTS_PER_TRANSACTION = 500
OVERDUE_PER_TICK = 1000


def describe_schedule(assignment: Assignment) -> Schedule:
    """The schedule of an assignment in the wire's whole milliseconds."""
    test = assignment.test
    duration_ms = round(test.duration_seconds * MILLISECONDS)
    every_ms = round((test.every_seconds or 0) * MILLISECONDS)
    kind = test.schedule_kind
    return Schedule(
        assignment=str(assignment.id),
        kind=kind,  # type: ignore[arg-type]  # the model's choices are the literal's
        revision=test.schedule_revision,
        anchor_ms=to_milliseconds(test.start_at),
        every_ms={"once": 0, "continuous": duration_ms}.get(kind, every_ms),
        slip_ms=round(test.slip_seconds * MILLISECONDS),
    )


def plan_runs(*, now: datetime | None = None) -> int:
    """How many runs were made. Every assignment gets runs up to the horizon, two at least."""
    moment = now or read_now()
    horizon = timedelta(seconds=settings.SWARM_HORIZON_SECONDS)
    made = 0
    while True:
        with transaction.atomic():
            due = list(claim_due_assignments(moment + horizon / 2))
            if not due:
                return made
            runs = [run for row in due for run in plan_assignment(row, moment, horizon)]
            Run.objects.bulk_create(runs, ignore_conflicts=True)
            Assignment.objects.bulk_update(due, ["planned_until"])
            made += len(runs)


def claim_due_assignments(planned_before: datetime) -> Iterator[Assignment]:
    rows = (
        Assignment.objects.filter(removed_at=None, test__is_paused=False)
        .filter(Q(planned_until=None) | Q(planned_until__lt=planned_before))
        .select_related("test")
        .select_for_update(of=("self",), skip_locked=True)
        .order_by("id")[:ASSIGNMENTS_PER_TRANSACTION]
    )
    return iter(rows)


def plan_assignment(row: Assignment, now: datetime, horizon: timedelta) -> list[Run]:
    """The assignment's coming runs; notes on the row how far it is planned now."""
    schedule = describe_schedule(row)
    start = max(now, row.planned_until or now)
    until = now + horizon
    span_ms = max(schedule.every_ms * (LEAST_RUNS_AHEAD + 1), 1) + schedule.slip_ms
    enough = start + timedelta(milliseconds=span_ms)
    far = max(until, enough) if schedule.kind == "every" else until
    if schedule.kind == "once":
        far = max(far, row.test.start_at + timedelta(milliseconds=schedule.slip_ms + 1))
        # A moment that passed while the test was being saved is still meant.
        start = min(start, row.test.start_at) if row.planned_until is None else start
    slots = iterate_slots(schedule, from_ms=to_milliseconds(start), until_ms=to_milliseconds(far))
    row.planned_until = far if schedule.kind != "once" else datetime.max.replace(tzinfo=now.tzinfo)
    return [build_run(row, slot) for slot in slots]


def build_run(row: Assignment, slot: Slot) -> Run:
    start_at = from_milliseconds(slot.start_ms)
    return Run(
        id=slot.run_id,
        assignment=row,
        slot=slot.number,
        schedule_revision=row.test.schedule_revision,
        start_at=start_at,
        end_at=start_at + timedelta(seconds=row.test.duration_seconds),
    )


def close_overdue_runs(*, now: datetime | None = None) -> int:
    """How many runs were marked missed: their end passed without a result.

    A result that comes in later, from an agent that was cut off, still closes its run properly.
    """
    moment = now or read_now()
    with transaction.atomic():
        overdue = list(
            Run.objects.filter(state__in=Run.OPEN_STATES, end_at__lt=moment - MISSED_GRACE)
            .select_related("assignment")
            .select_for_update(of=("self",), skip_locked=True)[:OVERDUE_PER_TICK]
        )
        for run in overdue:
            was_running = run.state == Run.State.RUNNING
            run.state = Run.State.MISSED
            run.reason = "no result came" if was_running else "not started by the agent"
            publish(describe_end(run))
        Run.objects.bulk_update(overdue, ["state", "reason"])
    return len(overdue)


def describe_end(run: Run) -> RunFinished:
    assignment = run.assignment
    return RunFinished(run.id, assignment.id, assignment.test_id, assignment.client_id, run.state)
