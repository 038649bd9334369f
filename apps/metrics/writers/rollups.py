"""Bulk writes of what the frames add up to, and of what has yet to be added up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from apps.metrics.algorithms.tiers import FIVE_MINUTES_SECONDS
from apps.metrics.fields import pack_numbers
from apps.metrics.writers.frames import adapt_moment

ROLLUP_COLUMNS = 'source_id, step, at, layout_id, "count", minimum, mean, maximum, p50, p95'
DIRTY_COLUMNS = "source_id, step, at, due_at, claimed_until, revision"
# Keeps a statement below SQLite's limit of 32,766 parameters.
ROWS_PER_STATEMENT = 1000

NOTE_KEPT_FRAMES_POSTGRESQL = """
INSERT INTO metrics_arrival (slots)
SELECT jsonb_build_object(source_id::text, jsonb_agg(DISTINCT slot))
FROM (
  SELECT source_id, floor(extract(epoch FROM at) / %s)::bigint AS slot
  FROM metrics_frame WHERE at >= %s
) AS frames
GROUP BY source_id, slot / 288
"""
NOTE_KEPT_FRAMES_SQLITE = """
INSERT INTO metrics_arrival (slots)
SELECT json_object(CAST(source_id AS TEXT), json(json_group_array(DISTINCT slot)))
FROM (
  SELECT source_id, CAST(strftime('%%s', at) AS INTEGER) / %s AS slot
  FROM metrics_frame WHERE at >= %s
)
GROUP BY source_id, slot / 288
"""


@dataclass(frozen=True, slots=True)
class RollupRow:
    """A rollup as it goes into the table; each column runs parallel to the layout's keys."""

    source_id: int
    step: int
    at: datetime
    layout_id: int
    columns: tuple[Sequence[float | None], ...]


@dataclass(frozen=True, slots=True, order=True)
class DirtyMark:
    """A bucket to recompute, and from when on."""

    source_id: int
    step: int
    at: datetime
    due_at: datetime


def insert_rollups(rows: Sequence[RollupRow]) -> None:
    for row_part in split(rows):
        parameters = [parameter for row in row_part for parameter in encode_rollup(row)]
        one = "(%s, %s, %s, %s, " + ", ".join([place_of_array()] * 6) + ")"
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO metrics_rollup ({ROLLUP_COLUMNS})"  # noqa: S608 - literals and placeholders
                f" VALUES {', '.join([one] * len(row_part))}",
                parameters,
            )


def place_of_array() -> str:
    return "%s::float8[]" if connection.vendor == "postgresql" else "%s"


def encode_rollup(row: RollupRow) -> tuple[Any, ...]:
    arrays = (encode_array(column) for column in row.columns)
    return (row.source_id, row.step, adapt_moment(row.at), row.layout_id, *arrays)


def encode_array(column: Sequence[float | None]) -> Any:
    if connection.vendor != "postgresql":
        return pack_numbers(column)
    return f"{{{str(list(column))[1:-1].replace('None', 'NULL')}}}"


def mark_dirty(marks: Iterable[DirtyMark]) -> None:
    """Note buckets as dirty; one that a worker has claimed already gets its next revision.

    Waits for a worker that is just claiming or removing one of the notes, and then changes or makes
    it anew. A note that was never claimed need not change: who claims it reads the frames later.
    """
    # In the order of their keys, so that two workers never wait for each other in a circle.
    for part in split(sorted(marks)):
        parameters = [parameter for mark in part for parameter in encode_mark(mark)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO metrics_dirtybucket ({DIRTY_COLUMNS})"  # noqa: S608 - as above
                f" VALUES {', '.join(['(%s, %s, %s, %s, %s, 0)'] * len(part))}"
                " ON CONFLICT (source_id, step, at) DO UPDATE SET"
                " revision = metrics_dirtybucket.revision + 1"
                " WHERE metrics_dirtybucket.claimed_until > metrics_dirtybucket.due_at",
                parameters,
            )


def encode_mark(mark: DirtyMark) -> tuple[Any, ...]:
    due_at = adapt_moment(mark.due_at)
    return (mark.source_id, mark.step, adapt_moment(mark.at), due_at, due_at)


def split(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (
        rows[start : start + ROWS_PER_STATEMENT]
        for start in range(0, len(rows), ROWS_PER_STATEMENT)
    )


def note_kept_frames(since: datetime) -> int:
    """How many arrivals were made so that every bucket since then with a frame becomes dirty."""
    is_postgresql = connection.vendor == "postgresql"
    statement = NOTE_KEPT_FRAMES_POSTGRESQL if is_postgresql else NOTE_KEPT_FRAMES_SQLITE
    with connection.cursor() as cursor:
        cursor.execute(statement, [FIVE_MINUTES_SECONDS, adapt_moment(since)])
        return int(cursor.rowcount)
