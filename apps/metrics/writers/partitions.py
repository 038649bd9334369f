"""The daily partitions of PostgreSQL's table of frames; SQLite has a plain table."""

from datetime import UTC, datetime, timedelta

from django.db import connection

PARTITION_LOCK = 0x5357_4652
DAYS_BEHIND = 8
DAYS_AHEAD = 3


def ensure_partitions(now: datetime) -> list[str]:
    """The partitions made, so that every day that late or early data may have is there.

    Nothing to do on SQLite.
    """
    if connection.vendor != "postgresql":
        return []
    today = now.astimezone(UTC).date()
    made = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PARTITION_LOCK])
        try:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = 'metrics_frame'::regclass"
            )
            existing = {row[0] for row in cursor.fetchall()}
            for offset in range(-DAYS_BEHIND, DAYS_AHEAD + 1):
                day = today + timedelta(days=offset)
                name = f"metrics_frame_{day:%Y%m%d}"
                if name in existing:
                    continue
                cursor.execute(
                    f"CREATE TABLE {name} PARTITION OF metrics_frame FOR VALUES FROM (%s) TO (%s)",
                    [f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"],
                )
                made.append(name)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PARTITION_LOCK])
    return made
