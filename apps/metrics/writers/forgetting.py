"""Deleting old rows in slices."""

from datetime import datetime

from django.db import connection

from apps.metrics.writers.frames import adapt_moment

# Some milliseconds of work: SQLite lets nobody else write meanwhile.
ROWS_PER_SLICE = 500


def delete_rollups(step: int, before: datetime) -> int:
    """How many of the oldest rollups of the step from before then were deleted: a slice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM metrics_rollup WHERE (source_id, step, at, layout_id) IN ("
            " SELECT source_id, step, at, layout_id FROM metrics_rollup"
            " WHERE step = %s AND at < %s ORDER BY at LIMIT %s)",
            [step, adapt_moment(before), ROWS_PER_SLICE],
        )
        return int(cursor.rowcount)


def delete_frames(source_id: int, before: datetime) -> int:
    """How many of the source's oldest frames from before then were deleted: a slice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM metrics_frame WHERE (source_id, at, seq) IN ("
            " SELECT source_id, at, seq FROM metrics_frame"
            " WHERE source_id = %s AND at < %s ORDER BY at LIMIT %s)",
            [source_id, adapt_moment(before), ROWS_PER_SLICE],
        )
        return int(cursor.rowcount)
