"""Cutting the numbers of one metric out of frames and rollups, for several sources at once."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from apps.metrics.algorithms.series import Buckets, Numbers
from apps.metrics.algorithms.tiers import find_end
from apps.metrics.fields import ElementAt, UnixSeconds
from apps.metrics.models import Frame, Latest, Layout, Rollup

ROWS_PER_FETCH = 5000
ROLLUP_COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")


@dataclass(slots=True)
class Column:
    """Rows of doubles (Unix seconds, then the numbers), and where the last row looked at began."""

    width: int
    # Plain doubles, row by row: a long range must not become a list of objects.
    flat: "array[float]" = field(default_factory=lambda: array("d"))
    last_at: float | None = None

    def as_table(self) -> Numbers:
        """Oldest first."""
        table = np.frombuffer(self.flat, dtype=np.float64).reshape(-1, self.width)
        return table[np.argsort(table[:, 0], kind="stable")]


@dataclass(frozen=True, slots=True)
class Guess:
    """Sources whose newest layouts have the key at the same place."""

    index: int
    source_ids: list[int]
    layout_ids: set[int]


def read_frames(
    source_ids: Sequence[int], key: str, start: datetime, end: datetime
) -> dict[int, Column]:
    """Moments and values of the measured frames in [start, end) by source."""
    rows = Frame.objects.filter(at__gte=start, at__lt=end).order_by("source_id", "at", "seq")
    return cut_columns(rows, source_ids, key, ("values",))


def read_rollups(
    source_ids: Sequence[int], key: str, step_seconds: int, start: datetime, end: datetime
) -> dict[int, Column]:
    """The kept buckets that begin in [start, end) by source."""
    rows = Rollup.objects.filter(step=step_seconds, at__gte=start, at__lt=end)
    return cut_columns(rows.order_by("source_id", "at"), source_ids, key, ROLLUP_COLUMNS)


def cut_columns(
    rows: "QuerySet[Any]", source_ids: Sequence[int], key: str, columns: tuple[str, ...]
) -> dict[int, Column]:
    """The numbers of `key` in each source's rows, whatever their layouts.

    One query for the layouts that the sources have now, one for the rows, and one for each older
    layout that is met in them.
    """
    found = {source_id: Column(1 + len(columns)) for source_id in source_ids}
    for guess in guess_places(source_ids, key):
        mine = rows.filter(source_id__in=guess.source_ids)
        others = set()
        for source_id, layout_id, at, *numbers in fetch(mine, columns, guess.index):
            column = found[source_id]
            column.last_at = at
            if layout_id not in guess.layout_ids:
                others.add(layout_id)
            elif numbers[-1] is not None:
                column.flat.extend((at, *numbers))
        for layout in Layout.objects.filter(id__in=others):
            if key not in layout.keys:
                continue
            older = mine.filter(layout_id=layout.id)
            for source_id, _layout_id, at, *numbers in fetch(
                older, columns, layout.keys.index(key)
            ):
                if numbers[-1] is not None:
                    found[source_id].flat.extend((at, *numbers))
    return found


def guess_places(source_ids: Iterable[int], key: str) -> Iterator[Guess]:
    """The sources by the place that `key` has in their newest layouts; -1 where it has none."""
    rows = Latest.objects.filter(source_id__in=list(source_ids))
    by_index: dict[int, Guess] = defaultdict(lambda: Guess(0, [], set()))
    rest = set(source_ids)
    for source_id, layout_id, keys in rows.values_list("source_id", "layout_id", "layout__keys"):
        rest.discard(source_id)
        index = keys.index(key) if key in keys else -1
        guess = by_index[index]
        guess.source_ids.append(source_id)
        if index >= 0:
            guess.layout_ids.add(layout_id)
    if rest:
        by_index[-1].source_ids.extend(rest)
    for index, guess in by_index.items():
        yield Guess(max(index, 0), guess.source_ids, guess.layout_ids)


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
