"""A range beside the same range of an earlier time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from apps.core.errors import FieldError, Invalid
from apps.metrics.algorithms.merging import merge_buckets
from apps.metrics.algorithms.series import Buckets
from apps.metrics.selectors.series import MAXIMUM_POINTS, Series, read_range

COMPARED = ("mean", "p50", "p95", "maximum")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A range, the same range earlier (moved, so that both draw over each other), the change.

    `change` is (now - earlier) / |earlier| of the mean, p50, p95 and maximum of the whole ranges;
    None when one of them has no values, or the earlier number is 0.
    """

    current: Series
    earlier: Series
    change: Mapping[str, float | None]


def compare_ranges(
    *,
    source_id: int,
    key: str,
    start: datetime,
    end: datetime,
    shift: timedelta,
    points: int = MAXIMUM_POINTS,
) -> Comparison:
    """[start, end) beside the range that began `shift` earlier; each as `read_range` gives it.

    Raises: Invalid as `read_range` does, and when `shift` is not positive or leads before 1970.
    """

    def read(start: datetime, end: datetime) -> Series:
        return read_range(source_id=source_id, key=key, start=start, end=end, points=points)

    return compare_readings(read, start=start, end=end, shift=shift)


def compare_readings(
    read: Callable[[datetime, datetime], Series],
    *,
    start: datetime,
    end: datetime,
    shift: timedelta,
) -> Comparison:
    """What `read` gives of [start, end) beside what it gives of the range `shift` earlier.

    Raises: Invalid when `shift` is not positive or leads before 1970, and what `read` raises.
    """
    if shift <= timedelta(0) or start.timestamp() < shift.total_seconds():
        detail = "must be positive and not lead before 1970"
        raise Invalid([FieldError("compare", "out_of_range", detail)])
    current = read(start, end)
    before = read(start - shift, end - shift)
    seconds = shift.total_seconds()
    moved = replace(before, at=[at + seconds for at in before.at])
    return Comparison(current, moved, describe_change(current, moved))


def describe_change(current: Series, earlier: Series) -> dict[str, float | None]:
    now, before = summarise_series(current), summarise_series(earlier)
    return {name: compute_change(now.get(name), before.get(name)) for name in COMPARED}


def compute_change(now: float | None, before: float | None) -> float | None:
    if now is None or before is None or before == 0:
        return None
    return (now - before) / abs(before)


def summarise_series(series: Series) -> dict[str, float]:
    """The numbers of the whole range; empty without values. Its percentiles are estimates."""
    if not series.at:
        return {}
    parts = Buckets(
        # All in one bucket, wherever they lie.
        start=np.zeros(len(series.at)),
        count=np.array(series.count, dtype=np.int64),
        minimum=np.array(series.minimum),
        mean=np.array(series.mean),
        maximum=np.array(series.maximum),
        p50=np.array(series.p50),
        p95=np.array(series.p95),
    )
    whole = merge_buckets(parts, 1).buckets
    return {name: float(getattr(whole, name)[0]) for name in COMPARED}
