"""Runs counted by stretches of time: whole days as they are kept, the rest of it from the runs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import Lag

from apps.reports.algorithms.accounting import Stretch, Turn
from apps.reports.models import DayTally, TallyClock
from apps.tests.models import Result, Run

JUDGED = Q(result__is_success__isnull=False)
LEFT_OUT = Q(state__in=(Run.State.PAUSED, Run.State.CANCELLED, *Run.OPEN_STATES))
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
# A result is stamped before it is committed, and a run begins about when it was planned.
LONGEST_COMMIT = timedelta(minutes=15)
LONGEST_SLIP = timedelta(hours=1)
IDS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` on, until before `end`."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return self.end.timestamp() - self.start.timestamp()


def read_stretches(assignment_ids: Collection[UUID], span: Span) -> list[Stretch[UUID]]:
    """All runs of the assignments, which the caller may see, that were to start in the span.

    Days that are kept come from there, but those to which something came in since.
    """
    clock = TallyClock.objects.first()
    kept = find_kept(span, clock)
    if clock is None or kept is None:
        return count_stretches(assignment_ids, span)
    mine = set(assignment_ids)
    late = {day: members & mine for day, members in find_late(clock, kept).items()}
    found = read_kept(assignment_ids, kept, without=late)
    for day, members in late.items():
        found += count_stretches(members, span_day(day))
    for edge in (Span(span.start, kept.start), Span(kept.end, span.end)):
        if edge.start < edge.end:
            found += count_stretches(assignment_ids, edge)
    return found


def find_kept(span: Span, clock: TallyClock | None) -> Span | None:
    """The days of UTC that lie wholly in the span and are kept."""
    if clock is None:
        return None
    first = floor_utc_day(span.start)
    start = first if first == span.start else first + DAY
    end = min(floor_utc_day(span.end), clock.kept_until)
    return Span(start, end) if start < end else None


def floor_utc_day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def span_day(day: date) -> Span:
    start = datetime.combine(day, time(), UTC)
    return Span(start, start + DAY)


def find_late(clock: TallyClock, span: Span) -> dict[date, set[UUID]]:
    """The days in the span, and of whom, for which results came in after the tallies were made."""
    came = Result.objects.filter(
        received_at__gte=clock.looked_at - LONGEST_COMMIT,
        started_at__gte=span.start - LONGEST_SLIP,
        started_at__lt=span.end + LONGEST_SLIP,
    )
    ids = list(came.order_by().values_list("run_id", flat=True))
    found: dict[date, set[UUID]] = defaultdict(set)
    for place in range(0, len(ids), IDS_AT_ONCE):
        runs = Run.objects.filter(
            id__in=ids[place : place + IDS_AT_ONCE], start_at__gte=span.start, start_at__lt=span.end
        )
        for key, at in runs.order_by().values_list("assignment_id", "start_at"):
            found[at.astimezone(UTC).date()].add(key)
    return found


def read_kept(
    assignment_ids: Collection[UUID], span: Span, *, without: Mapping[date, Collection[UUID]]
) -> list[Stretch[UUID]]:
    rows = DayTally.objects.filter(
        assignment_id__in=assignment_ids, day__gte=span.start.date(), day__lt=span.end.date()
    ).order_by()
    columns = ("assignment_id", "day", "good", "bad", "unknown", "turns")
    found = []
    for key, day, good, bad, unknown, turns in rows.values_list(*columns).iterator():
        if key in without.get(day, ()):
            continue
        start = datetime.combine(day, time(), UTC)
        own = [
            Turn(key, start + timedelta(microseconds=after), is_good, reason)
            for after, is_good, reason in turns
        ]
        found.append(Stretch(key, start, start + DAY, good, bad, unknown, own))
    return found


def count_stretches(assignment_ids: Collection[UUID], span: Span) -> list[Stretch[UUID]]:
    """One for each of the assignments that had runs in the span; two queries.

    A run that never began, was missed or failed to execute is unknown; one that maintenance
    paused, somebody cancelled, or that is still under way is in no count.
    """
    meant = Run.objects.filter(
        assignment_id__in=assignment_ids, start_at__gte=span.start, start_at__lt=span.end
    )
    runs = meant.exclude(LEFT_OUT).order_by()
    turns: dict[UUID, list[Turn[UUID]]] = defaultdict(list)
    for turn in list_turns(runs):
        turns[turn.key].append(turn)
    counted = runs.values("assignment_id").annotate(
        all=Count("id"),
        good=Count("id", filter=Q(result__is_success=True)),
        bad=Count("id", filter=Q(result__is_success=False)),
    )
    return [
        Stretch(key, span.start, span.end, good, bad, all_ - good - bad, turns.get(key, ()))
        for key, all_, good, bad in counted.values_list("assignment_id", "all", "good", "bad")
    ]


def list_turns(runs: "QuerySet[Run]") -> Iterable[Turn[UUID]]:
    """The first judged run of each assignment, and those whose verdict differs; by time."""
    before = Window(
        Lag("result__is_success"), partition_by="assignment_id", order_by=("start_at", "id")
    )
    marked = runs.filter(JUDGED).annotate(before=before)
    turned = marked.filter(Q(before__isnull=True) | ~Q(before=F("result__is_success")))
    rows = turned.order_by("assignment_id", "start_at", "id").values_list(
        "assignment_id", "start_at", "result__is_success", "result__reason"
    )
    for key, at, is_good, reason in rows.iterator():
        yield Turn(key, at, bool(is_good), reason)
