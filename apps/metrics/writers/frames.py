"""Bulk writes of what agents send."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from apps.metrics.algorithms.tiers import FIVE_MINUTES_SECONDS
from apps.metrics.fields import pack_numbers

# Keeps a statement below SQLite's limit of 32,766 parameters.
ROWS_PER_STATEMENT = 1000

LATEST_COLUMNS = 'source_id, at, seq, layout_id, "values", absent'
FRAME_COLUMNS = f"{LATEST_COLUMNS}, received_at"

REPLACE_OLDER = (
    "ON CONFLICT (source_id) DO UPDATE SET"
    " at = excluded.at, seq = excluded.seq, layout_id = excluded.layout_id,"
    ' "values" = excluded."values", absent = excluded.absent'
    " WHERE excluded.at > metrics_latest.at"
    " OR (excluded.at = metrics_latest.at AND excluded.seq > metrics_latest.seq)"
)
ARRIVAL_PREFIX = "WITH arrived AS (INSERT INTO metrics_arrival (slots) VALUES (%s::jsonb)) "

FrameKey = tuple[int, datetime, int]


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame as it goes into the table."""

    source_id: int
    at: datetime
    seq: int
    layout_id: int
    values: tuple[float | None, ...]
    absent: Mapping[str, str] | None

    @property
    def key(self) -> FrameKey:
        return (self.source_id, self.at, self.seq)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What is written down of an upload beside how many of its records were new."""

    client_id: UUID
    received_at: datetime
    rejected: int
    sources: Sequence[int]


def insert_frames(rows: Sequence[FrameRow], received_at: datetime) -> set[FrameKey]:
    """The keys of the rows that were new; rows whose key exists already change nothing."""
    new: set[FrameKey] = set()
    for part in split_rows(rows):
        parameters = [
            parameter for row in part for parameter in (*encode_row(row), adapt_moment(received_at))
        ]
        statement = (
            f"INSERT INTO metrics_frame ({FRAME_COLUMNS})"  # noqa: S608 - literals and placeholders
            f" VALUES {placeholders(len(part), 7)}"
            " ON CONFLICT DO NOTHING RETURNING source_id, at, seq"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            new.update((source, read_moment(at), seq) for source, at, seq in cursor.fetchall())
    return new


def record_news(rows: Sequence[FrameRow]) -> None:
    """For rows that are new: make each source's newest its latest, and note what was touched.

    PostgreSQL does both in one statement, because an upload pays for each crossing.
    """
    if not rows:
        return
    slots = json.dumps(list_slots(rows), separators=(",", ":"))
    if connection.vendor == "postgresql":
        upsert_latest(rows, slots)
        return
    upsert_latest(rows)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO metrics_arrival (slots) VALUES (%s)", [slots])


def list_slots(rows: Iterable[FrameRow]) -> dict[int, list[int]]:
    """The numbers of the five minutes since 1970 that the rows lie in, by source."""
    touched: dict[int, set[int]] = {}
    for row in rows:
        slot = int(row.at.timestamp()) // FIVE_MINUTES_SECONDS
        touched.setdefault(row.source_id, set()).add(slot)
    return {source_id: sorted(slots) for source_id, slots in touched.items()}


def upsert_latest(rows: Iterable[FrameRow], slots: str = "") -> None:
    """Make each source's newest row its latest, unless the stored one is newer.

    `slots` goes into an arrival of its own by the same statement (PostgreSQL).
    """
    newest: dict[int, FrameRow] = {}
    for row in rows:
        known = newest.get(row.source_id)
        if known is None or (row.at, row.seq) > (known.at, known.seq):
            newest[row.source_id] = row
    # In the order of the sources, so that two uploads never wait for each other in a circle.
    ordered = [newest[source_id] for source_id in sorted(newest)]
    for number, part in enumerate(split_rows(ordered)):
        has_arrival = bool(slots) and number == 0
        parameters = [slots] if has_arrival else []
        parameters += [parameter for row in part for parameter in encode_row(row)]
        statement = (
            f"{ARRIVAL_PREFIX if has_arrival else ''}"  # noqa: S608 - as above
            f"INSERT INTO metrics_latest ({LATEST_COLUMNS})"
            f" VALUES {placeholders(len(part), 6)} {REPLACE_OLDER}"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)


def insert_batch(batch: BatchRow, *, stored: int, duplicate: int) -> None:
    """Store the batch's row; the ORM's way costs several times as much, on every upload."""
    columns = (
        adapt_uuid(uuid4()), adapt_uuid(batch.client_id), adapt_moment(batch.received_at),
        stored, duplicate, batch.rejected, json.dumps(batch.sources),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metrics_ingestbatch"
            " (id, client_id, received_at, stored, duplicate, rejected, sources)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            columns,
        )


def adapt_uuid(value: UUID) -> str:
    """SQLite keeps a UUID as its 32 digits, PostgreSQL reads any of its spellings."""
    return value.hex


def split_rows(rows: Sequence[FrameRow]) -> Iterator[Sequence[FrameRow]]:
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield rows[start : start + ROWS_PER_STATEMENT]


def placeholders(rows: int, columns: int) -> str:
    if connection.vendor == "postgresql" and columns >= 6:  # noqa: PLR2004 - the two tables above
        # The values travel as one array literal, which is far cheaper than adapting each number.
        rest = ["%s"] * (columns - 6)
        one = ", ".join(["%s", "%s", "%s", "%s", "%s::float8[]", "%s::jsonb", *rest])
    else:
        one = ", ".join(["%s"] * columns)
    return ", ".join([f"({one})"] * rows)


def encode_row(row: FrameRow) -> tuple[Any, ...]:
    values: Any
    if connection.vendor == "postgresql":
        # The text of a tuple is made in C at once; joining number by number costs six times that.
        values = f"{{{str(list(row.values))[1:-1].replace('None', 'NULL')}}}"
    else:
        values = pack_numbers(row.values)
    absent = json.dumps(row.absent) if row.absent else None
    return (row.source_id, adapt_moment(row.at), row.seq, row.layout_id, values, absent)


def adapt_moment(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def read_moment(stored: Any) -> datetime:
    """What RETURNING gives: a datetime on PostgreSQL, text in UTC on SQLite."""
    moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(stored)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
