"""Counting runs: what was good, what was not, what nobody knows, and the incidents in between."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import Lag

from apps.reports.algorithms.accounting import Incident, Tally, Turn, find_incidents
from apps.tests.models import Assignment, Run

JUDGED = Q(result__is_success__isnull=False)
LEFT_OUT = Q(state__in=(Run.State.PAUSED, Run.State.CANCELLED, *Run.OPEN_STATES))


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` on, until before `end`."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return self.end.timestamp() - self.start.timestamp()


def list_runs_of(assignment_ids: Collection[UUID], span: Span) -> QuerySet[Run]:
    return Run.objects.filter(
        assignment_id__in=assignment_ids, start_at__gte=span.start, start_at__lt=span.end
    ).order_by()


def count_runs(assignments: Collection[Assignment], span: Span) -> dict[UUID, Tally]:
    """The tally of each of the assignments, which the caller may see; one query.

    A run that never began, was missed or failed to execute is unknown; one that maintenance
    paused, somebody cancelled, or that is still under way is in no count.
    """
    seconds = {one.id: one.test.duration_seconds for one in assignments}
    rows = list_runs_of(seconds, span).exclude(LEFT_OUT).values("assignment_id")
    counted = rows.annotate(
        all=Count("id"),
        good=Count("id", filter=Q(result__is_success=True)),
        bad=Count("id", filter=Q(result__is_success=False)),
    )
    found = dict.fromkeys(seconds, Tally())
    for row in counted:
        key, good, bad = row["assignment_id"], row["good"], row["bad"]
        found[key] = Tally(good, bad, row["all"] - good - bad, seconds[key])
    return found


def read_incidents(assignment_ids: Collection[UUID], span: Span) -> list[Incident[UUID]]:
    """The incidents of the assignments, which the caller may see; one query.

    They are ordered by assignment and time.
    """
    judged = list_runs_of(assignment_ids, span).filter(JUDGED)
    before = Window(
        Lag("result__is_success"), partition_by="assignment_id", order_by=("start_at", "id")
    )
    marked = judged.annotate(before=before)
    turned = marked.filter(Q(before__isnull=True) | ~Q(before=F("result__is_success")))
    rows = turned.order_by("assignment_id", "start_at", "id").values_list(
        "assignment_id", "start_at", "result__is_success", "result__reason"
    )
    turns = [Turn(key, at, bool(good), reason) for key, at, good, reason in rows.iterator()]
    return find_incidents(turns, span.end)
