"""Reading hours where they are laid out by keys: a row a week instead of a row an hour."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import BinaryField, Q
from django.db.models.functions import Substr

from apps.metrics.algorithms.series import Numbers
from apps.metrics.algorithms.strips import BRIEF, STRIP, unpack_strips
from apps.metrics.algorithms.tiers import WEEK_SECONDS, floor_moment
from apps.metrics.models import HourStrip
from apps.metrics.writers import LAID

WEEK = timedelta(seconds=WEEK_SECONDS)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class LaidHours:
    """The weeks of a source that are laid out, and the hours of a key in them.

    A row of `table` is Unix seconds and count, minimum, mean, maximum, p50 and p95, oldest first.
    """

    weeks: frozenset[datetime]
    table: Numbers


def read_laid(
    source_ids: Sequence[int], key: str, span: Span, *, is_brief: bool = False
) -> dict[int, LaidHours]:
    """The hours of `key` that begin in the span (start, end), by source, of weeks laid out.

    With `is_brief` they come without percentiles (NaN), which are a third of the reading.
    """
    start, end = span
    # One statement: between two, a week could be laid out or dropped.
    rows = HourStrip.objects.filter(
        source_id__in=source_ids,
        key__in=(LAID, key),
        at__gte=floor_moment(start, WEEK_SECONDS),
        at__lt=end,
    ).order_by("source_id", "at")
    weeks: dict[int, set[datetime]] = defaultdict(set)
    strips: dict[int, list[tuple[float, bytes | memoryview]]] = defaultdict(list)
    length = BRIEF.itemsize if is_brief else STRIP.itemsize
    columns = rows.annotate(cut=Substr("numbers", 1, length, output_field=BinaryField()))
    for source_id, found_key, at, strip in columns.values_list("source_id", "key", "at", "cut"):
        if found_key == LAID:
            weeks[source_id].add(at.astimezone(UTC))
        else:
            strips[source_id].append((at.timestamp(), strip))
    found = {}
    for source_id in source_ids:
        begins = [begin for begin, _strip in strips[source_id]]
        table = unpack_strips(begins, [strip for _begin, strip in strips[source_id]])
        is_inside = (table[:, 0] >= start.timestamp()) & (table[:, 0] < end.timestamp())
        found[source_id] = LaidHours(frozenset(weeks[source_id]), table[is_inside])
    return found


def match_missing(laid: Mapping[int, LaidHours], span: Span) -> Q | None:
    """Which rollups are of weeks not laid out, few where history has settled; None when none is."""
    by_span: dict[Span, list[int]] = defaultdict(list)
    for source_id, hours in laid.items():
        for missing in list_missing(hours.weeks, span):
            by_span[missing].append(source_id)
    parts = [
        Q(source_id__in=ids, at__gte=start, at__lt=end) for (start, end), ids in by_span.items()
    ]
    return reduce(or_, parts) if parts else None


def list_missing(weeks: frozenset[datetime], span: Span) -> list[Span]:
    """The parts of the span outside of those weeks, neighbours as one."""
    start, end = span
    missing: list[Span] = []
    week = floor_moment(start, WEEK_SECONDS)
    while week < end:
        if week not in weeks:
            part = (max(week, start), min(week + WEEK, end))
            if missing and missing[-1][1] == part[0]:
                part = (missing.pop()[0], part[1])
            missing.append(part)
        week += WEEK
    return missing
