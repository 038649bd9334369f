"""Bulk writes of the hours laid out by weeks."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from apps.metrics.models import HourStrip
from apps.metrics.writers.forgetting import ROWS_PER_SLICE
from apps.metrics.writers.frames import adapt_moment
from apps.metrics.writers.rollups import split

LAID = ""


def insert_strips(source_id: int, at: datetime, strips: Iterable[tuple[str, bytes]]) -> None:
    """Keep the week's strips by their keys, and that there are no others."""
    rows = [
        HourStrip(source_id=source_id, key=key, at=at, numbers=numbers)
        for key, numbers in ((LAID, b""), *strips)
    ]
    HourStrip.objects.bulk_create(rows, batch_size=ROWS_PER_SLICE)


def drop_strips(weeks: Sequence[tuple[int, datetime]]) -> None:
    """From now on the rollups of these weeks of sources are read themselves."""
    for part in split(weeks):
        parameters = [each for source_id, at in part for each in (source_id, adapt_moment(at))]
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM metrics_hourstrip WHERE (source_id, at) IN"  # noqa: S608 - placeholders
                f" (VALUES {', '.join(['(%s, %s)'] * len(part))})",
                parameters,
            )


def delete_strips(before: datetime) -> int:
    """How many strips of the oldest weeks that begin before then were deleted: a slice."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM metrics_hourstrip WHERE (source_id, key, at) IN ("
            " SELECT source_id, key, at FROM metrics_hourstrip"
            " WHERE at < %s ORDER BY at LIMIT %s)",
            [adapt_moment(before), ROWS_PER_SLICE],
        )
        return int(cursor.rowcount)
