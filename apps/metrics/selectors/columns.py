"""Cutting the numbers of one metric out of frames and rollups, for several sources at once."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from apps.metrics.algorithms.series import Buckets, Numbers
from apps.metrics.algorithms.tiers import HOUR_SECONDS, find_end
from apps.metrics.fields import ElementAt, UnixSeconds
from apps.metrics.models import Frame, Latest, Layout, Rollup
from apps.metrics.selectors.strips import match_missing, read_laid

ROWS_PER_FETCH = 5000
ROLLUP_COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


@dataclass(slots=True)
class Column:
    """Rows of doubles (Unix seconds, then the numbers), and where the last row looked at began."""

    width: int
    # Plain doubles, row by row: a long range must not become a list of objects.
    flat: "array[float]" = field(default_factory=lambda: array("d"))
    last_at: float | None = None

    def add(self, table: Numbers) -> None:
        """Rows of another form of the same buckets, oldest first."""
        if len(table):
            self.flat.frombytes(np.ascontiguousarray(table).tobytes())
            self.last_at = max(self.last_at or table[-1, 0], table[-1, 0])

    def as_table(self) -> Numbers:
        """Oldest first."""
        table = np.frombuffer(self.flat, dtype=np.float64).reshape(-1, self.width)
        return table[np.argsort(table[:, 0], kind="stable")]


@dataclass(frozen=True, slots=True)
class Place:
    """The newest layout of a source, and where it has the key; -1 when it does not."""

    layout_id: int
    index: int


NOWHERE = Place(0, -1)


def find_places(source_ids: Sequence[int], key: str) -> dict[int, Place]:
    """Where `key` most likely is in each source's rows: where its newest layout has it."""
    rows = Latest.objects.filter(source_id__in=source_ids)
    return {
        source_id: Place(layout_id, keys.index(key) if key in keys else -1)
        for source_id, layout_id, keys in rows.values_list("source_id", "layout_id", "layout__keys")
    }


def read_frames(
    places: Mapping[int, Place],
    source_ids: Sequence[int],
    key: str,
    start: datetime,
    end: datetime,
) -> dict[int, Column]:
    """Moments and values of the measured frames in [start, end) by source."""
    rows = Frame.objects.filter(at__gte=start, at__lt=end).order_by("source_id", "at", "seq")
    return cut_columns(rows, group_by_index(places, source_ids), key, ("values",))


def read_rollups(
    places: Mapping[int, Place],
    source_ids: Sequence[int],
    key: str,
    step_seconds: int,
    span: tuple[datetime, datetime],
    *,
    is_brief: bool = False,
) -> dict[int, Column]:
    """The kept buckets that begin in the span (start, end) by source.

    Hours of weeks that are laid out by keys come from there (selectors/strips.py); with `is_brief`
    their percentiles are NaN.
    """
    groups = group_by_index(places, source_ids)
    rows = Rollup.objects.filter(step=step_seconds, at__gte=span[0], at__lt=span[1])
    rows = rows.order_by("source_id", "at")
    if step_seconds != HOUR_SECONDS:
        return cut_columns(rows, groups, key, ROLLUP_COLUMNS)
    laid = read_laid(source_ids, key, span, is_brief=is_brief)
    missing = match_missing(laid, span)
    found = {source_id: Column(1 + len(ROLLUP_COLUMNS)) for source_id in source_ids}
    if missing is not None:
        found = cut_columns(rows.filter(missing), groups, key, ROLLUP_COLUMNS)
    for source_id, hours in laid.items():
        found[source_id].add(hours.table)
    return found


def group_by_index(
    places: Mapping[int, Place], source_ids: Iterable[int]
) -> dict[int, dict[int, int]]:
    """By the place of the key, the layout in which each source has it there."""
    groups: dict[int, dict[int, int]] = defaultdict(dict)
    for source_id in source_ids:
        place = places.get(source_id, NOWHERE)
        groups[place.index][source_id] = place.layout_id
    return groups


def cut_columns(
    rows: "QuerySet[Any]",
    groups: Mapping[int, Mapping[int, int]],
    key: str,
    columns: tuple[str, ...],
) -> dict[int, Column]:
    """The numbers of `key` in each source's rows, whatever their layouts.

    One query for each group, and one for each layout met in its rows that is not the newest.
    """
    found: dict[int, Column] = {}
    for index, layouts in groups.items():
        found |= {source_id: Column(1 + len(columns)) for source_id in layouts}
        mine = rows.filter(source_id__in=list(layouts))
        others = set()
        for source_id, layout_id, at, *numbers in fetch(mine, columns, max(index, 0)):
            column = found[source_id]
            column.last_at = at
            if index < 0 or layout_id != layouts[source_id]:
                others.add((source_id, layout_id))
            elif numbers[-1] is not None:
                column.flat.extend((at, *numbers))
        if others:
            add_older(found, mine, others, key, columns)
    return found


def add_older(
    found: Mapping[int, Column],
    rows: "QuerySet[Any]",
    others: set[tuple[int, int]],
    key: str,
    columns: tuple[str, ...],
) -> None:
    """Adds the numbers of those pairs of source and layout, as far as the layouts have the key."""
    for layout in Layout.objects.filter(id__in={layout_id for _source_id, layout_id in others}):
        if key not in layout.keys:
            continue
        owners = [source_id for source_id, layout_id in others if layout_id == layout.id]
        older = rows.filter(layout_id=layout.id, source_id__in=owners)
        for source_id, _layout_id, at, *numbers in fetch(older, columns, layout.keys.index(key)):
            if numbers[-1] is not None:
                found[source_id].flat.extend((at, *numbers))


def fetch(rows: "QuerySet[Any]", columns: tuple[str, ...], index: int) -> Iterator[tuple[Any, ...]]:
    numbers = {f"{column}_number": ElementAt(column, index) for column in columns}
    cut = rows.annotate(seconds=UnixSeconds("at"), **numbers).values_list(
        "source_id", "layout_id", "seconds", *numbers
    )
    if connection.vendor != "postgresql":
        yield from cut.iterator(chunk_size=ROWS_PER_FETCH)
        return
    # What psycopg2 gives is right as it is; the ORM would look at each number once more.
    statement, parameters = cut.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        while part := cursor.fetchmany(ROWS_PER_FETCH):
            yield from part


def as_buckets(table: Numbers) -> Buckets:
    start, count, minimum, mean, maximum, p50, p95 = table.T
    return Buckets(start, count.astype(np.int64), minimum, mean, maximum, p50, p95)


def find_rolled_until(column: Column, step_seconds: int, start: datetime) -> datetime:
    """Until when the kept buckets that were read reach; `start` when there are none."""
    if column.last_at is None:
        return start
    return find_end(datetime.fromtimestamp(column.last_at, UTC), step_seconds)
