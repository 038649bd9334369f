"""The planner: makes the rows of coming runs, the same ones however often it runs."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.core.bus import publish
from apps.core.clock import MILLISECONDS, from_milliseconds, read_now, to_milliseconds
from apps.tests.algorithms.slots import Schedule, Slot, iterate_slots
from apps.tests.models import Assignment, Run, Test
from apps.tests.published import RunFinished

MISSED_GRACE = timedelta(seconds=90)
# For as long after its planned start an on-demand run may still be taken up.
ON_DEMAND_PATIENCE = timedelta(seconds=120)
# A moment that passed while its test was being saved is still meant.
ONCE_PATIENCE = timedelta(seconds=60)
# A plan from further ahead was made by a clock that has been put right since.
CLOCK_TOLERANCE = timedelta(minutes=1)
LEAST_RUNS_AHEAD = 2
NEVER = 2**63
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
    after_id: UUID | None = None
    while True:
        with transaction.atomic():
            due = claim_due_assignments(moment, horizon, after_id)
            if not due:
                return made
            made += plan_locked(due, moment, horizon)
        after_id = due[-1].id


def plan_test(test: Test) -> int:
    """How many runs were made. Plans a changed test in its transaction, before agents are told."""
    rows = test.assignments.filter(removed_at=None).select_for_update(of=("self",), no_key=True)
    if test.is_paused:
        return 0
    due = list(rows.order_by("id"))
    for row in due:
        row.test = test
    return plan_locked(due, read_now(), timedelta(seconds=settings.SWARM_HORIZON_SECONDS))


def plan_locked(due: list[Assignment], now: datetime, horizon: timedelta) -> int:
    made = insert_new_runs([run for row in due for run in plan_assignment(row, now, horizon)])
    Assignment.objects.bulk_update(due, ["planned_until", "planned_at"])
    return made


def insert_new_runs(runs: list[Run]) -> int:
    """How many of the runs were not there yet."""
    known = set(Run.objects.filter(id__in=[run.id for run in runs]).values_list("id", flat=True))
    new = [run for run in runs if run.id not in known]
    # An agent that derived one by itself may be handing in its result at this moment.
    Run.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def claim_due_assignments(
    now: datetime, horizon: timedelta, after_id: UUID | None
) -> list[Assignment]:
    """Assignments, locked, that are planned less than half the horizon or two runs ahead."""
    rows = (
        Assignment.objects.filter(removed_at=None, test__is_paused=False)
        .filter(
            Q(planned_until=None)
            | Q(planned_until__lt=now + horizon / 2)
            | Q(planned_at__gt=now + CLOCK_TOLERANCE)
            | (is_rare(horizon) & ~Exists(select_second_run(now)))
        )
        .select_related("test")
        # The test as well: pausing or changing it waits for this plan, and then takes it back.
        .select_for_update(of=("self", "test"), skip_locked=True, no_key=True)
        .order_by("id")
    )
    if after_id is not None:
        rows = rows.filter(id__gt=after_id)
    return list(rows[:ASSIGNMENTS_PER_TRANSACTION])


def is_rare(horizon: timedelta) -> Q:
    """The condition that half a horizon may hold fewer than two runs."""
    seconds = horizon.total_seconds() / 2 / (LEAST_RUNS_AHEAD + 1)
    is_continuous = Q(test__schedule_kind=Test.ScheduleKind.CONTINUOUS)
    return Q(test__every_seconds__gt=seconds) | (
        is_continuous & Q(test__duration_seconds__gt=seconds)
    )


def select_second_run(now: datetime) -> QuerySet[Run]:
    """The second planned run that lies ahead of the assignment of an outer query."""
    ahead = Run.objects.filter(
        assignment=OuterRef("pk"),
        schedule_revision=OuterRef("test__schedule_revision"),
        is_on_demand=False,
        start_at__gt=now,
    )
    return ahead.order_by("start_at")[LEAST_RUNS_AHEAD - 1 : LEAST_RUNS_AHEAD]


def plan_assignment(row: Assignment, now: datetime, horizon: timedelta) -> list[Run]:
    """The assignment's coming runs; notes on the row how far it is planned now."""
    schedule = describe_schedule(row)
    is_of_right_clock = row.planned_at is None or row.planned_at <= now + CLOCK_TOLERANCE
    start = max(now, row.planned_until or now) if is_of_right_clock else now
    row.planned_at = now
    if schedule.kind == "once":
        row.planned_until = datetime.max.replace(tzinfo=now.tzinfo)
        earliest = to_milliseconds(now - ONCE_PATIENCE)
        once = iterate_slots(schedule, from_ms=earliest, until_ms=NEVER)
        return [build_run(row, slot) for slot in once]
    # A test that begins later has its two runs ahead as well.
    enough = timedelta(milliseconds=schedule.every_ms * (LEAST_RUNS_AHEAD + 1) + schedule.slip_ms)
    far = max(now + horizon, max(now, row.test.start_at) + enough)
    slots = iterate_slots(schedule, from_ms=to_milliseconds(start), until_ms=to_milliseconds(far))
    row.planned_until = far
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
            .exclude(is_on_demand=True, end_at__gte=moment - MISSED_GRACE - ON_DEMAND_PATIENCE)
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
