"""Keeping what became of the runs of each day, once it is over, for the reports of months."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.configuration.selectors import read_whole
from apps.reports.algorithms.accounting import Stretch
from apps.reports.models import DayTally, TallyClock
from apps.reports.selectors.facts.stretches import (
    DAY,
    MICROSECOND,
    Span,
    count_stretches,
    find_late,
    floor_utc_day,
    span_day,
)
from apps.tests.models import Assignment, Run

# A day's runs have ended, and those without a result are marked as missed.
SETTLED = timedelta(hours=2)
BUDGET_SECONDS = 20.0
ASSIGNMENTS_AT_ONCE = 500
FORGOTTEN_AT_ONCE = 5_000


def keep_tallies(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many days were counted: those that are over, and again what came in late of earlier ones.

    After about `budget_seconds` the rest is left for the next call.
    """
    end = time.monotonic() + budget_seconds
    clock = TallyClock.objects.first() or begin(now)
    if clock is None:
        return 0
    days = recount_late(clock, now)
    while time.monotonic() < end and keep_next_day(clock, now):
        days += 1
    return days


def begin(now: datetime) -> TallyClock | None:
    """The clock at the first day that has runs; None as long as there are none."""
    first = Run.objects.order_by("start_at").values_list("start_at", flat=True).first()
    if first is None:
        return None
    return TallyClock.objects.create(kept_until=floor_utc_day(first), looked_at=now)


def recount_late(clock: TallyClock, now: datetime) -> int:
    """How many kept days were counted again, for those to whom results came in since."""
    first = DayTally.objects.order_by("day").values_list("day", flat=True).first()
    found = {}
    if first is not None:
        found = find_late(clock, Span(span_day(first).start, clock.kept_until))
    for day, members in found.items():
        keep(span_day(day), sorted(members))
    clock.looked_at = now
    clock.save(update_fields=["looked_at"])
    return len(found)


def keep_next_day(clock: TallyClock, now: datetime) -> bool:
    """Whether the next day was over, with none of its runs still under way, and is kept now."""
    span = Span(clock.kept_until, clock.kept_until + DAY)
    is_open = Run.objects.filter(state__in=Run.OPEN_STATES, start_at__lt=span.end).exists()
    if is_open or now < span.end + SETTLED:
        return False
    ids = list(Assignment.objects.filter(created_at__lt=span.end).values_list("id", flat=True))
    for place in range(0, len(ids), ASSIGNMENTS_AT_ONCE):
        keep(span, ids[place : place + ASSIGNMENTS_AT_ONCE])
    clock.kept_until = span.end
    clock.save(update_fields=["kept_until"])
    return True


def keep(span: Span, assignment_ids: Sequence[UUID]) -> None:
    """The tallies of those assignments of one day, instead of what was kept of it."""
    store(span, count_stretches(assignment_ids, span))


@transaction.atomic
def store(span: Span, stretches: Iterable[Stretch[UUID]]) -> None:
    DayTally.objects.bulk_create(
        (describe(span, one) for one in stretches),
        update_conflicts=True,
        unique_fields=["assignment", "day"],
        update_fields=["good", "bad", "unknown", "turns"],
    )


def describe(span: Span, stretch: Stretch[UUID]) -> DayTally:
    return DayTally(
        assignment_id=stretch.key,
        day=span.start.astimezone(UTC).date(),
        good=stretch.good,
        bad=stretch.bad,
        unknown=stretch.unknown,
        turns=[
            ((turn.at - span.start) // MICROSECOND, turn.is_good, turn.reason)
            for turn in stretch.turns
        ],
    )


def forget_tallies(now: datetime) -> int:
    """How many tallies of days of which no runs are kept any more were forgotten: a slice."""
    before = (now - timedelta(days=read_whole("result_retention_days"))).astimezone(UTC).date()
    old = DayTally.objects.filter(day__lt=before).order_by("day")
    ids = list(old.values_list("id", flat=True)[:FORGOTTEN_AT_ONCE])
    DayTally.objects.filter(id__in=ids).delete()
    return len(ids)
