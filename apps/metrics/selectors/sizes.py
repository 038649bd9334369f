"""What the tables of the history occupy, as the database tells it without reading them whole.

Tables of the rooms above are asked for by their names in the database alone.
"""

import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from apps.metrics.algorithms.tiers import HOUR_SECONDS, STEPS_SECONDS, TIER_NAMES
from apps.metrics.models import Rollup
from apps.metrics.writers.frames import read_moment

# What a row of SQLite costs beside its arrays: header, numbers, two moments, its place in indexes.
ROW_OVERHEAD_BYTES = 130
SAMPLE_ROWS = 1000
# Counting the rows of a table that was never analysed is quick up to here.
COUNTED_BYTES = 50_000_000
# Up to here SQLite's pages are counted, some 60 ms of work; beyond that they are estimated.
WALKED_BYTES = 100_000_000
TABLES = (
    "metrics_frame", "metrics_rollup", "metrics_hourstrip", "tests_run", "tests_result",
    "metrics_ingestbatch",
)  # fmt: skip
RAW_OLDEST = """
SELECT MIN(first_at) FROM (
  SELECT (SELECT at FROM metrics_frame WHERE source_id = source.id ORDER BY at LIMIT 1) AS first_at
  FROM metrics_source AS source
) AS firsts
"""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many rows, of how many bytes with their indexes, from when to when."""

    rows: int = 0
    bytes: int = 0
    oldest_at: datetime | None = None
    newest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Size:
    """Of a table with its indexes."""

    rows: int
    bytes: int


def measure_extents() -> dict[str, Extent]:
    """By the name of the tier; `other` is the rest of the database."""
    is_postgresql = connection.vendor == "postgresql"
    sizes = measure_postgresql() if is_postgresql else measure_sqlite()
    raw, rollups, strips, runs, results, batches = (sizes[table] for table in TABLES)
    both = Size(runs.rows + results.rows, runs.bytes + results.bytes)
    rest = measure_used() - raw.bytes - rollups.bytes - strips.bytes - both.bytes
    return {
        "raw": make_extent(raw, RAW_OLDEST, newest_of("metrics_latest", "at")),
        **measure_rollups(rollups, strips),
        "results": make_extent(
            both, oldest_of("tests_result", "received_at"), newest_of("tests_result", "received_at")
        ),
        "other": make_extent(
            Size(batches.rows, max(rest, 0)),
            oldest_of("metrics_ingestbatch", "received_at"),
            newest_of("metrics_ingestbatch", "received_at"),
        ),
    }


def measure_rollups(whole: Size, strips: Size) -> dict[str, Extent]:
    """The table's size shared out by the rows of each step: those of its last day, and its days.

    Hours occupy their strips as well.
    """
    extents = {}
    for step in STEPS_SECONDS:
        oldest = ask_moment(oldest_of("metrics_rollup", "at") + " WHERE step = %s", step)
        newest = ask_moment(newest_of("metrics_rollup", "at") + " WHERE step = %s", step)
        rows = 0
        if oldest is not None and newest is not None:
            last_day = newest - timedelta(days=1)
            counted = Rollup.objects.filter(step=step, at__gt=last_day).count()
            rows = round(counted * max((newest - oldest) / timedelta(days=1), 1.0))
        extents[TIER_NAMES[step]] = Extent(rows, 0, oldest, newest)
    total = max(sum(extent.rows for extent in extents.values()), 1)
    return {
        name: replace(
            extent,
            rows=round(whole.rows * extent.rows / total),
            bytes=round(whole.bytes * extent.rows / total)
            + (strips.bytes if name == TIER_NAMES[HOUR_SECONDS] else 0),
        )
        for name, extent in extents.items()
    }


def make_extent(size: Size, oldest: str, newest: str) -> Extent:
    return Extent(size.rows, size.bytes, ask_moment(oldest), ask_moment(newest))


def oldest_of(table: str, column: str) -> str:
    return f"SELECT MIN({column}) FROM {table}"  # noqa: S608 - names of this module


def newest_of(table: str, column: str) -> str:
    return f"SELECT MAX({column}) FROM {table}"  # noqa: S608 - as above


def measure_postgresql() -> dict[str, Size]:
    return {table: measure_partitions(table) for table in TABLES}


def measure_partitions(table: str) -> Size:
    """Of all together; rows are the planner's estimate, or counted where it has none."""
    row = ask(
        "SELECT SUM(GREATEST(reltuples, 0)), SUM(pg_total_relation_size(oid)), MIN(reltuples)"
        " FROM pg_class WHERE relkind = 'r' AND (oid = %s::regclass"
        " OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %s::regclass))",
        table,
        table,
    )
    rows, size, least = (float(number or 0) for number in row)
    if least < 0 and size < COUNTED_BYTES:
        rows = ask(f"SELECT COUNT(*) FROM {table}")[0]  # noqa: S608 - a name of this module
    return Size(int(rows), int(size))


def measure_sqlite() -> dict[str, Size]:
    """The pages of small databases; of others estimates, which together never exceed the file."""
    used = measure_used()
    estimates = {table: estimate_sqlite(table) for table in TABLES}
    if used <= WALKED_BYTES and can_count_pages():
        return {table: replace(size, bytes=count_bytes(table)) for table, size in estimates.items()}
    total = sum(size.bytes for size in estimates.values())
    share = min(1.0, used / max(total, 1))
    return {
        table: replace(size, bytes=int(size.bytes * share)) for table, size in estimates.items()
    }


def can_count_pages() -> bool:
    """Whether this SQLite was built with the virtual table that shows its pages."""
    return bool(ask("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')")[0])


def count_bytes(table: str) -> int:
    pages = (
        "SELECT SUM(pgsize) FROM dbstat WHERE aggregate = TRUE"
        " AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = %s)"
    )
    return int(ask(pages, table)[0] or 0)


def estimate_sqlite(table: str) -> Size:
    """Rows by their numbers, which are given in order; bytes by the newest rows."""
    first, last = ask(f"SELECT MIN(rowid), MAX(rowid) FROM {table}")  # noqa: S608 - as above
    if last is None:
        return Size(0, 0)
    columns = [
        column.name
        for column in connection.introspection.get_table_description(connection.cursor(), table)
    ]
    lengths = " + ".join(f'COALESCE(LENGTH("{column}"), 0)' for column in columns)
    mean = ask(
        f"SELECT AVG({lengths}) FROM {table} WHERE rowid > %s",  # noqa: S608 - as above
        last - SAMPLE_ROWS,
    )[0]
    rows = last - first + 1
    return Size(rows, round(rows * (mean + ROW_OVERHEAD_BYTES)))


def measure_database() -> int:
    if connection.vendor == "postgresql":
        return int(ask("SELECT pg_database_size(current_database())")[0])
    return int(ask("PRAGMA page_count")[0]) * int(ask("PRAGMA page_size")[0])


def measure_unused() -> int:
    """What lies idle in SQLite's file: pages of deleted rows, which the next rows fill."""
    if connection.vendor == "postgresql":
        return 0
    return int(ask("PRAGMA freelist_count")[0]) * int(ask("PRAGMA page_size")[0])


def measure_used() -> int:
    return measure_database() - measure_unused()


def measure_free() -> int | None:
    """What the database's disk can still take; None when this server does not see that disk.

    SQLite's pages of deleted rows count, because the next rows go there.
    """
    if connection.vendor != "postgresql":
        folder = Path(str(connection.settings_dict["NAME"])).parent
        return read_free(folder, measure_unused())
    if not is_local(str(connection.settings_dict["HOST"])):
        return None
    # Only superusers and members of pg_read_all_settings are told.
    folder_name = ask("SELECT MAX(setting) FROM pg_settings WHERE name = 'data_directory'")[0]
    return read_free(Path(folder_name), 0) if folder_name else None


def is_local(host: str) -> bool:
    return host == "localhost" or host.startswith(("/", "127.")) or host in {"", "::1"}


def read_free(folder: Path, unused_bytes: int) -> int | None:
    try:
        return shutil.disk_usage(folder).free + unused_bytes
    except OSError:
        return None


def ask(statement: str, *parameters: str | int) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] = cursor.fetchone()
    return row


def ask_moment(statement: str, *parameters: str | int) -> datetime | None:
    stored = ask(statement, *parameters)[0]
    return None if stored is None else read_moment(stored)
