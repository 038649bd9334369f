"""The planner: makes the rows of coming runs, the same ones however often it runs."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from apps.core.clock import MILLISECONDS, from_milliseconds, read_now, to_milliseconds
from apps.tests.algorithms.slots import MINUTE_MS, Schedule, Slot, iterate_slots
from apps.tests.models import Assignment, Run, Test
from apps.tests.services.pausing import Pause, apply_pauses, pause_runs, read_pauses
from apps.tests.services.reserving import Proposal, reserve_runs, store_reservations

logger = structlog.get_logger(__name__)

# For as long after its planned start an on-demand run may still be taken up.
ON_DEMAND_PATIENCE = timedelta(seconds=120)
# A moment that passed while its test was being saved is still meant.
ONCE_PATIENCE = timedelta(seconds=60)
# A plan from further ahead was made by a clock that has been put right since.
CLOCK_TOLERANCE = timedelta(minutes=1)
LEAST_RUNS_AHEAD = 2
NEVER = 2**63
ASSIGNMENTS_PER_TRANSACTION = 250
# A tick looks at so many and stops when it has made so many runs; the rest, planned for half a
# horizon yet, has time until the next.
ASSIGNMENTS_PER_TICK = 2000
RUNS_PER_TICK = 3000
RUNS_PER_STATEMENT = 500
# What could not be planned is tried again after this.
RETRY_AFTER = timedelta(minutes=5)


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
        every_ms={"once": 0, "cron": 0, "continuous": duration_ms}.get(kind, every_ms),
        slip_ms=round(test.slip_seconds * MILLISECONDS),
        expression=test.cron_expression if kind == "cron" else "",
        time_zone=test.time_zone if kind == "cron" else "",
    )


def plan_runs(*, now: datetime | None = None) -> int:
    """How many runs were made. Assignments get runs up to the horizon, two at least.

    One call plans at most 2,000 assignments, and ends sooner after some 3,000 runs; those that
    have waited longest come first. Runs inside a maintenance window wait, and those that no
    window holds any more go on. What cannot be planned is logged and left out, the others go on.
    """
    moment = now or read_now()
    horizon = timedelta(seconds=settings.SWARM_HORIZON_SECONDS)
    pauses = read_pauses(moment)
    made = 0
    failed: set[UUID] = set()
    for _batch in range(ASSIGNMENTS_PER_TICK // ASSIGNMENTS_PER_TRANSACTION):
        due: list[Assignment] = []
        try:
            with transaction.atomic():
                due = claim_due_assignments(moment, except_ids=failed)
                made += plan_locked(due, moment, horizon, pauses)
        except Exception:
            logger.exception("plan_failed", assignments=len(due))
            failed.update(row.id for row in due)
        if not due or made >= RUNS_PER_TICK:
            break
    apply_pauses(pauses, now=moment)
    return made


def plan_test(test: Test) -> int:
    """How many runs were made. Plans a changed test in its transaction, before agents are told."""
    rows = test.assignments.filter(removed_at=None).select_for_update(of=("self",), no_key=True)
    if test.is_paused:
        return 0
    due = list(rows.order_by("id"))
    for row in due:
        row.test = test
    return plan_locked(due, read_now(), timedelta(seconds=settings.SWARM_HORIZON_SECONDS))


def plan_locked(
    due: Sequence[Assignment],
    now: datetime,
    horizon: timedelta,
    pauses: Sequence[Pause] | None = None,
) -> int:
    """How many runs were made for the locked assignments, whose tests are loaded."""
    planned = [one for row in due for one in try_assignment(row, now, horizon)]
    made = insert_new_runs(leave_taken(planned, now))
    note_plans(due)
    if made:
        holding = read_pauses(now) if pauses is None else pauses
        pause_runs(holding, now=now, assignment_ids=[row.id for row in due])
    return made


def try_assignment(row: Assignment, now: datetime, horizon: timedelta) -> list[Proposal]:
    """As `plan_assignment`; one that cannot be planned is logged and has none."""
    try:
        return plan_assignment(row, now, horizon)
    except Exception:
        logger.exception("assignment_not_planned", assignment=str(row.id))
        row.planned_at, row.plan_again_at = now, now + RETRY_AFTER
        row.planned_until = row.planned_until or now
        return []


def leave_taken(proposals: list[Proposal], now: datetime) -> list[Proposal]:
    """The runs without those whose moment has passed and was an agent's by an earlier schedule."""
    passed = [one.run for one in proposals if one.run.start_at <= now]
    if not passed:
        return proposals
    taken = set(
        Run.objects.filter(
            assignment_id__in=[run.assignment_id for run in passed],
            start_at__in={run.start_at for run in passed},
            leased_at__isnull=False,
            is_on_demand=False,
        ).values_list("assignment_id", "start_at")
    )
    return [one for one in proposals if (one.run.assignment_id, one.run.start_at) not in taken]


def insert_new_runs(proposals: list[Proposal]) -> int:
    """How many of the runs were not there yet; exclusive ones among them get their time."""
    ids = [one.run.id for one in proposals]
    known = set(Run.objects.filter(id__in=ids).values_list("id", flat=True))
    new = [one for one in proposals if one.run.id not in known]
    reservations = reserve_runs(new)
    # An agent that derived one by itself may be handing in its result at this moment.
    runs = [one.run for one in new]
    Run.objects.bulk_create(runs, batch_size=RUNS_PER_STATEMENT, ignore_conflicts=True)
    store_reservations(reservations)
    return len(new)


def note_plans(rows: Sequence[Assignment]) -> None:
    """Store how far the assignments are planned: a statement for each answer, which tests share."""
    groups: dict[tuple[datetime | None, ...], list[UUID]] = {}
    for row in rows:
        note = (row.planned_until, row.planned_at, row.plan_again_at)
        groups.setdefault(note, []).append(row.id)
    for (planned_until, planned_at, plan_again_at), ids in groups.items():
        Assignment.objects.filter(id__in=ids).update(
            planned_until=planned_until, planned_at=planned_at, plan_again_at=plan_again_at
        )


def claim_due_assignments(now: datetime, *, except_ids: Collection[UUID]) -> list[Assignment]:
    """Assignments, locked, that need more runs by now, those that need them most first."""
    rows = (
        Assignment.objects.filter(removed_at=None, test__is_paused=False)
        .filter(
            Q(planned_until=None)
            | Q(plan_again_at=None)
            | Q(plan_again_at__lte=now)
            | Q(planned_at__gt=now + CLOCK_TOLERANCE)
        )
        .exclude(id__in=except_ids)
        .select_related("test")
        # The test as well: pausing or changing it waits for this plan, and then takes it back.
        .select_for_update(of=("self", "test"), skip_locked=True, no_key=True)
        .order_by(F("planned_until").asc(nulls_first=True), "id")
    )
    return list(rows[:ASSIGNMENTS_PER_TRANSACTION])


def plan_assignment(row: Assignment, now: datetime, horizon: timedelta) -> list[Proposal]:
    """The assignment's coming runs; notes on the row how far it is planned, and until when."""
    schedule = describe_schedule(row)
    is_of_right_clock = row.planned_at is None or row.planned_at <= now + CLOCK_TOLERANCE
    start = max(now, row.planned_until or now) if is_of_right_clock else now
    row.planned_at = now
    if schedule.kind == "once":
        row.planned_until = row.plan_again_at = datetime.max.replace(tzinfo=now.tzinfo)
        earliest = to_milliseconds(now - ONCE_PATIENCE)
        once = iterate_slots(schedule, from_ms=earliest, until_ms=NEVER)
        return [propose_run(row, slot) for slot in once]
    if schedule.kind == "cron":
        return plan_cron(row, schedule, now, horizon)
    # A test that begins later has its two runs ahead as well.
    rhythm = timedelta(milliseconds=schedule.every_ms)
    slip = timedelta(milliseconds=schedule.slip_ms)
    first = max(now, row.test.start_at)
    far = max(now + horizon, first + rhythm * (LEAST_RUNS_AHEAD + 1) + slip)
    slots = iterate_slots(schedule, from_ms=to_milliseconds(start), until_ms=to_milliseconds(far))
    row.planned_until = far
    row.plan_again_at = far - max(horizon / 2, rhythm * LEAST_RUNS_AHEAD + slip)
    return [propose_run(row, slot) for slot in slots]


def plan_cron(
    row: Assignment, schedule: Schedule, now: datetime, horizon: timedelta
) -> list[Proposal]:
    """As `plan_assignment`; all slots ahead, because those of a cron schedule keep no rhythm."""
    horizon_ms = to_milliseconds(now + horizon)
    slots: list[Slot] = []
    for slot in iterate_slots(schedule, from_ms=to_milliseconds(now), until_ms=NEVER):
        if slot.start_ms >= horizon_ms and len(slots) > LEAST_RUNS_AHEAD:
            break
        slots.append(slot)
    row.planned_until, row.plan_again_at = now + horizon, now + horizon / 2
    if len(slots) > LEAST_RUNS_AHEAD:
        # In whole minutes, which all assignments of a test have in common whatever their slip.
        last, second_last = (from_milliseconds(slot.number * MINUTE_MS) for slot in slots[:-3:-1])
        slip = timedelta(milliseconds=schedule.slip_ms + 1)
        soon = now + timedelta(seconds=1)
        row.planned_until = max(row.planned_until, last + slip)
        row.plan_again_at = min(row.planned_until - horizon / 2, max(second_last, soon))
    return [propose_run(row, slot) for slot in slots]


def propose_run(row: Assignment, slot: Slot) -> Proposal:
    start_at = from_milliseconds(slot.start_ms)
    run = Run(
        id=slot.run_id,
        assignment=row,
        slot=slot.number,
        schedule_revision=row.test.schedule_revision,
        start_at=start_at,
        end_at=start_at + timedelta(seconds=row.test.duration_seconds),
    )
    return Proposal(run, from_milliseconds(slot.latest_ms))
