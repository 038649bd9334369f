"""The hours that forecasts are made from."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from apps.metrics.algorithms.series import Buckets, take_buckets
from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.metrics.selectors import read_many
from apps.tests.models import Run

HISTORY = timedelta(days=60)


def read_hours(
    source_ids: Sequence[int], key: str, now: datetime, *, is_of_tests: bool
) -> dict[int, Buckets]:
    """The whole hours of the last 60 days by source.

    Hours in which an exclusive run disturbed one of a test's runs are left out: they are not how
    the path usually is.
    """
    end = floor_moment(now, HOUR_SECONDS)
    many = read_many(source_ids=source_ids, key=key, start=end - HISTORY, end=end)
    if not is_of_tests:
        return many.parts
    disturbed = find_disturbed(source_ids, many.start)
    return {
        source_id: leave_out(parts, disturbed.get(source_id, ()))
        for source_id, parts in many.parts.items()
    }


def find_disturbed(source_ids: Sequence[int], start: datetime) -> Mapping[int, list[float]]:
    """By source the hours (Unix seconds) that hold a part of a disturbed run."""
    rows = Run.objects.filter(
        assignment__source_id__in=source_ids, is_overlapped=True, start_at__gte=start
    )
    found: dict[int, list[float]] = {}
    for source_id, begin, end in rows.values_list("assignment__source_id", "start_at", "end_at"):
        first = begin.timestamp() // HOUR_SECONDS * HOUR_SECONDS
        hours = np.arange(first, end.timestamp(), HOUR_SECONDS).tolist()
        found.setdefault(source_id, []).extend(hours)
    return found


def leave_out(parts: Buckets, hours: Sequence[float]) -> Buckets:
    if not hours:
        return parts
    return take_buckets(parts, np.flatnonzero(~np.isin(parts.start, np.array(hours))))
