"""What was usual for a client's own sources, and what is expected of its file systems."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from apps.metrics.models import Rollup
from apps.metrics.selectors import LatestValues
from apps.ml.diagnosis.case import Usual
from apps.ml.diagnosis.reading import measure_usual
from apps.ml.models import Forecast

SPAN = timedelta(days=14)
HOUR = timedelta(hours=1)
# The hour that is judged must not have made what is usual.
BEFORE = timedelta(minutes=15)
# A daily forecast that nobody has made anew for longer is no news.
FORECAST_HOLDS = timedelta(days=3)
USED = "system.filesystem.utilization"

# The means of one hour by metric, oldest hour first.
Hours = list[dict[str, float]]


def read_hours(source_ids: Sequence[int], at: datetime) -> dict[int, Hours]:
    """By source its hours of the fourteen days before the moment; one query."""
    rows = Rollup.objects.filter(
        source_id__in=source_ids,
        step=int(HOUR.total_seconds()),
        at__gte=at - SPAN,
        at__lte=at - BEFORE - HOUR,
    )
    columns = rows.order_by("at").values_list("source_id", "layout__keys", "mean")
    hours: dict[int, Hours] = {source_id: [] for source_id in source_ids}
    for source_id, keys, means in columns:
        pairs = zip(keys, means, strict=True)
        hours[source_id].append({key: mean for key, mean in pairs if mean is not None})
    return hours


def measure_hours(hours: Hours, keys: Sequence[str]) -> dict[str, Usual]:
    """The 5th, 50th and 95th percentile of the hours of each key that at least eight have."""
    return measure_usual([{key: one[key] for key in keys if key in one} for one in hours])


def find_rise(now: Mapping[str, float], hours: Hours, keys: Sequence[str]) -> float:
    """By how much these counts together are above the least that each was in its hours."""
    rises = [
        now[key] - min(past)
        for key in keys
        if key in now and (past := [one[key] for one in hours if key in one])
    ]
    return sum(max(0.0, rise) for rise in rises)


def find_days_left(file_systems: Sequence[LatestValues], at: datetime) -> dict[int, float]:
    """By source the days until its file system is full, of those that are expected to be.

    By the forecast of each, which is the newest; one query.
    """
    rows = Forecast.objects.filter(
        source_id__in=[one.source_id for one in file_systems],
        metric=USED,
        made_at__gte=at - FORECAST_HOLDS,
        verdict__in=(Forecast.Verdict.GROWING, Forecast.Verdict.REACHED),
    )
    return {
        source_id: max(0.0, (full_at - at) / timedelta(days=1))
        for source_id, full_at in rows.values_list("source_id", "full_at")
        if full_at is not None
    }
