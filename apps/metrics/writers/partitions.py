"""The daily partitions of PostgreSQL's table of frames; SQLite has a plain table.

Both making and dropping one leaves the table open to uploads. PostgreSQL's plain forms of both lock
the whole table, and dropping also locks the sources, which a foreign key refers to: an upload may
hold one and wait for the other. So a partition is made as a table and then attached, and detached
CONCURRENTLY before it is dropped; every lock is waited for shorter than PostgreSQL takes to look
for a deadlock, and a piece that could not be had is left for the next call.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import structlog
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper

logger = structlog.get_logger(__name__)

PARTITION_LOCK = 0x5357_4652
DAYS_BEHIND = 8
DAYS_AHEAD = 3
# Below deadlock_timeout, which is a second.
LOCK_TIMEOUT = "500ms"
ATTEMPTS = 10
# A lock was not to be had, or another partition is half detached.
BUSY_CODES = frozenset({"55P03", "55000"})

PARTITIONS = """
SELECT to_date(right(class.relname, 8), 'YYYYMMDD'), inherits.inhparent IS NOT NULL,
       COALESCE(inherits.inhdetachpending, FALSE)
FROM pg_class AS class LEFT JOIN pg_inherits AS inherits ON inherits.inhrelid = class.oid
WHERE class.relkind = 'r' AND class.relname ~ '^metrics_frame_[0-9]{8}$'
  AND class.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'metrics_frame'::regclass)
ORDER BY 3 DESC, 1
"""


def ensure_partitions(now: datetime) -> list[str]:
    """The partitions made, so that every day that late or early data may have is there.

    Nothing to do on SQLite.
    Raises: OperationalError when a lock could not be had in time; the next call makes the rest.
    """
    if connection.vendor != "postgresql":
        return []
    today = now.astimezone(UTC).date()
    wanted = [today + timedelta(days=n) for n in range(-DAYS_BEHIND, DAYS_AHEAD + 1)]
    made = []
    with hold_partitions() as cursor:
        attached = {day for day, is_attached, _pending in read_partitions(cursor) if is_attached}
        for day in wanted:
            if day not in attached:
                make_partition(cursor, day)
                made.append(name_partition(day))
    return made


def make_partition(cursor: CursorWrapper, day: date) -> None:
    name = name_partition(day)
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {name}"
        " (LIKE metrics_frame INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)"
    )
    cursor.execute(
        f"ALTER TABLE metrics_frame ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)",
        [f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"],
    )


def list_partition_days() -> list[date]:
    """The days that PostgreSQL has frames' partitions for, oldest first; none on SQLite."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        found = read_partitions(cursor)
    return [day for day, is_attached, is_pending in found if is_attached and not is_pending]


def list_droppable_days() -> list[date]:
    """As `list_partition_days`, after any day whose partition was dropped by half.

    Until a detachment that is half done is finished, PostgreSQL begins no other.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        return [day for day, _attached, _pending in read_partitions(cursor)]


def drop_partition(day: date) -> bool:
    """Whether the day's partition is gone; uploads go on meanwhile. Not inside a transaction.

    What an earlier call could not finish is taken up: a detachment half done, a table detached.
    """
    name = name_partition(day)
    with hold_partitions() as cursor:
        for _attempt in range(ATTEMPTS):
            states = {found: state for found, *state in read_partitions(cursor)}
            if day not in states:
                return True
            is_attached, is_pending = states[day]
            try:
                if is_attached:
                    manner = "FINALIZE" if is_pending else "CONCURRENTLY"
                    cursor.execute(f"ALTER TABLE metrics_frame DETACH PARTITION {name} {manner}")
                cursor.execute(f"DROP TABLE {name}")
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", None) not in BUSY_CODES:
                    raise
    logger.warning("partition_busy", partition=name, attempts=ATTEMPTS)
    return False


@contextmanager
def hold_partitions() -> Iterator[CursorWrapper]:
    """A cursor of the one session that makes or drops partitions; it waits for locks shortly."""
    is_inside = connection.in_atomic_block
    lock = "pg_advisory_xact_lock" if is_inside else "pg_advisory_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s)", [PARTITION_LOCK])
        cursor.execute("SELECT set_config('lock_timeout', %s, %s)", [LOCK_TIMEOUT, is_inside])
        try:
            yield cursor
        finally:
            # Inside a transaction both end with it.
            if not is_inside:
                cursor.execute("SELECT set_config('lock_timeout', '0', FALSE)")
                cursor.execute("SELECT pg_advisory_unlock(%s)", [PARTITION_LOCK])


def read_partitions(cursor: CursorWrapper) -> list[tuple[date, bool, bool]]:
    """Day, whether it is attached, whether its detachment is half done."""
    cursor.execute(PARTITIONS)
    return list(cursor.fetchall())


def name_partition(day: date) -> str:
    return f"metrics_frame_{day:%Y%m%d}"
