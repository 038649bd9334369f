"""When clients measured nothing although runs were due."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import BooleanField, Case, F, Q, Value, When, Window
from django.db.models.functions import Lag

from apps.reports.selectors.facts.stretches import DAY, JUDGED, LEFT_OUT, Span
from apps.tests.models import Assignment, Run

# A run that is missing is no gap yet; of many gaps the days with most of them are looked at.
LEAST_GAP = timedelta(hours=1)
MOST_STRETCHES = 20

Holes = Mapping[tuple[UUID, Span], int]
"""Unknown runs by assignment and the stretch of time in which they were counted."""


@dataclass(frozen=True, slots=True)
class Gap:
    """From a client's first run that is unknown until its next one with a verdict.

    `is_open`: none came before the period ended.
    """

    client_id: UUID
    start_at: datetime
    end_at: datetime
    is_open: bool


def find_gaps(assignments: Collection[Assignment], holes: Holes, span: Span) -> list[Gap]:
    """The gaps of more than an hour, by time; a query for each row of days that has any."""
    members: dict[UUID, list[UUID]] = defaultdict(list)
    for one in assignments:
        members[one.client_id].append(one.id)
    worst = choose_worst({one.id: one.client_id for one in assignments}, holes)
    gaps = [
        gap
        for client_id, block in join_spans(worst, span.end)
        for gap in read_gaps(client_id, members[client_id], block, span.end)
        if gap.end_at - gap.start_at > LEAST_GAP
    ]
    return sorted(gaps, key=lambda gap: (gap.start_at, str(gap.client_id)))


def choose_worst(clients: Mapping[UUID, UUID], holes: Holes) -> list[tuple[UUID, Span]]:
    """The clients and stretches with most unknown runs."""
    unknown: dict[tuple[UUID, Span], int] = defaultdict(int)
    for (assignment_id, span), count in holes.items():
        unknown[clients[assignment_id], span] += count
    worst = sorted(unknown, key=lambda one: (-unknown[one], one[1].start, str(one[0])))
    return worst[:MOST_STRETCHES]


def join_spans(
    spans: Collection[tuple[UUID, Span]], period_end: datetime
) -> Sequence[tuple[UUID, Span]]:
    """Those of a client that follow each other as one, with the day behind, in which they end."""
    blocks: list[tuple[UUID, Span]] = []
    for client_id, span in sorted(spans, key=lambda one: (str(one[0]), one[1].start)):
        block = Span(span.start, min(span.end + DAY, period_end))
        if blocks and blocks[-1][0] == client_id and span.start <= blocks[-1][1].end:
            block = Span(blocks.pop()[1].start, block.end)
        blocks.append((client_id, block))
    return blocks


def read_gaps(
    client_id: UUID, assignment_ids: Collection[UUID], block: Span, period_end: datetime
) -> list[Gap]:
    """The gaps that begin in the block, in which the next run with a verdict ends them."""
    runs = Run.objects.filter(
        assignment_id__in=assignment_ids, start_at__gte=block.start, start_at__lt=block.end
    ).exclude(LEFT_OUT)
    is_known = Case(When(JUDGED, then=Value(True)), default=Value(False))
    # Of runs that start together one with a verdict is enough.
    order = ("start_at", "is_known", "id")
    known = runs.annotate(is_known=is_known).order_by(*order)
    before = Window(Lag("is_known"), order_by=order, output_field=BooleanField())
    turned = known.annotate(before=before).filter(Q(before=None) | ~Q(before=F("is_known")))
    turns = list(turned.values_list("start_at", "is_known"))
    ends = [at for at, _is_known in turns[1:]] + [block.end]
    return [
        Gap(client_id, at, end, is_open=end == period_end)
        for (at, known_now), end in zip(turns, ends, strict=True)
        if not known_now
    ]
