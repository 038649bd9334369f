"""Runs that start inside a maintenance window wait: the same ones however often it is looked at."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.clients.algorithms.recurrence import Occurrence, list_occurrences
from apps.clients.algorithms.selector import Selector, parse_selector
from apps.clients.models import MaintenanceWindow
from apps.clients.selectors import build_selector_filter, read_recurrence
from apps.clients.services import wake_schedules
from apps.core.bus import publish
from apps.tests.models import Run
from apps.tests.published import ScheduleChanged

# As far as an agent goes on by itself; what lies beyond is paused when it comes nearer.
PAUSES_AHEAD = timedelta(days=7)
# SQLite refuses a condition of a thousand parts.
SPANS_PER_QUERY = 100
ROWS_PER_STATEMENT = 500
WAITING_STATES = (Run.State.SCHEDULED, Run.State.LEASED)


@dataclass(frozen=True, slots=True)
class Pause:
    """A window's next times: the runs that start in them, and what is written on those."""

    reason: str
    selector: Selector
    spans: tuple[Occurrence, ...]


def read_pauses(now: datetime) -> list[Pause]:
    """The pauses of the coming week; one query."""
    pauses = []
    windows = MaintenanceWindow.objects.filter(effect=MaintenanceWindow.Effect.PAUSE)
    for window in windows.order_by("starts_at", "id"):
        times = list_occurrences(read_recurrence(window), start=now, end=now + PAUSES_AHEAD)
        if times:
            selector = parse_selector(window.selector)
            pauses.append(Pause(f"maintenance: {window.name}", selector, merge_spans(times)))
    return pauses


def merge_spans(spans: Iterable[Occurrence]) -> tuple[Occurrence, ...]:
    """The same time in the fewest spans, in order; those that touch become one."""
    merged: list[Occurrence] = []
    for span in sorted(spans, key=lambda one: one.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Occurrence(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def list_conditions(selector: Selector, spans: Sequence[Occurrence]) -> Iterator[Q]:
    """Conditions that a run of the selector's clients starts in a span; any of them is enough.

    A run of two participants waits for the maintenance of either.
    """
    selected = build_selector_filter(selector, path="assignment__client__")
    if selected:
        selected |= build_selector_filter(selector, path="assignment__peer__")
    for first in range(0, len(spans), SPANS_PER_QUERY):
        chunk = spans[first : first + SPANS_PER_QUERY]
        yield reduce(or_, [Q(start_at__gte=one.start, start_at__lt=one.end) for one in chunk]) & (
            selected
        )


@transaction.atomic
def apply_pauses(pauses: Sequence[Pause], *, now: datetime) -> int:
    """How many runs changed: those now inside a pause wait, those outside every one go on.

    Runs asked for by hand and runs that have begun are left alone.
    """
    return pause_runs(pauses, now=now) + resume_runs(pauses, now=now)


def pause_runs(
    pauses: Sequence[Pause], *, now: datetime, assignment_ids: Iterable[UUID] | None = None
) -> int:
    """How many runs were paused, of those assignments or of all; their agents are told."""
    count = 0
    ahead = Run.objects.filter(is_on_demand=False, start_at__gt=now)
    if assignment_ids is not None:
        ahead = ahead.filter(assignment_id__in=list(assignment_ids))
    reasons = {pause.reason for pause in pauses}
    orphaned = Q(state=Run.State.PAUSED) & ~Q(reason__in=reasons)
    for pause in pauses:
        for condition in list_conditions(pause.selector, pause.spans):
            rows = ahead.filter(condition)
            held = rows.filter(
                Q(state=Run.State.LEASED)
                | Q(state=Run.State.SCHEDULED, peer_leased_at__isnull=False)
            )
            tell_agents(list_holders(held.order_by()))
            # The states once more: an agent may just have begun one of them.
            count += (
                Run.objects.filter(id__in=rows.values("id"))
                .filter(Q(state__in=WAITING_STATES) | orphaned)
                .update(state=Run.State.PAUSED, reason=pause.reason)
            )
    return count


def resume_runs(pauses: Sequence[Pause], *, now: datetime) -> int:
    """How many paused runs, still ahead, lie in no pause any more and are scheduled again."""
    waiting = Run.objects.filter(
        state=Run.State.PAUSED,
        is_on_demand=False,
        start_at__gt=now,
        assignment__removed_at=None,
        assignment__test__is_paused=False,
        schedule_revision=F("assignment__test__schedule_revision"),
    ).order_by()
    found = {
        run_id: participants
        for run_id, *participants in waiting.values_list(
            "id", "assignment__client_id", "assignment__peer_id"
        )
    }
    for selector, spans in merge_pauses(pauses).items():
        for condition in list_conditions(selector, spans) if found else ():
            for run_id in waiting.filter(condition).values_list("id", flat=True):
                found.pop(run_id, None)
    if not found:
        return 0
    tell_agents({one for participants in found.values() for one in participants if one})
    ids = list(found)
    return sum(
        Run.objects.filter(
            id__in=ids[first : first + ROWS_PER_STATEMENT], state=Run.State.PAUSED
        ).update(state=Run.State.SCHEDULED, reason="")
        for first in range(0, len(ids), ROWS_PER_STATEMENT)
    )


def merge_pauses(pauses: Iterable[Pause]) -> dict[Selector, tuple[Occurrence, ...]]:
    """When the clients of each selector pause, whichever window says so."""
    spans: dict[Selector, list[Occurrence]] = {}
    for pause in pauses:
        spans.setdefault(pause.selector, []).extend(pause.spans)
    return {selector: merge_spans(found) for selector, found in spans.items()}


def list_holders(runs: QuerySet[Run]) -> set[UUID]:
    """Whose agents hold the runs; of paired ones both ends are told."""
    rows = runs.values_list("assignment__client_id", "assignment__peer_id")
    return {one for participants in rows for one in participants if one is not None}


def tell_agents(client_ids: set[UUID]) -> None:
    if client_ids:
        ordered = tuple(sorted(client_ids))
        wake_schedules(ordered)
        publish(ScheduleChanged(ordered))
