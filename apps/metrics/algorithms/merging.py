"""Putting coarse buckets together from finer ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.metrics.algorithms.series import Buckets, Numbers, Whole, take_buckets

# An estimate is near enough when its place is known to a millionth of the range it lies in.
HALVINGS = 20
NO_WIDTH = 1e300


@dataclass(frozen=True, slots=True)
class Merged:
    """Coarser buckets by series and time, and which of them have estimated percentiles."""

    buckets: Buckets
    series: Whole
    is_estimated: NDArray[np.bool_]

    def of_series(self, number: int) -> "Merged":
        chosen = np.flatnonzero(self.series == number)
        return Merged(
            take_buckets(self.buckets, chosen), self.series[chosen], self.is_estimated[chosen]
        )


def merge_buckets(parts: Buckets, step_seconds: float, series: Whole | None = None) -> Merged:
    """The buckets of `step_seconds` that the parts make up; parts lie wholly inside one each.

    `series` says which series each part belongs to; all to number 0 without it. Count, minimum and
    maximum are exact, the mean to rounding. p50 and p95 of a bucket of one part are that part's; of
    several they are estimated: each part's values are taken as spread evenly between its minimum,
    p50, p95 and maximum, and the percentile is read from what that makes in all. An estimate never
    leaves the range from the least to the greatest of the parts' own.
    Raises: ValueError when the step is not positive.
    """
    if step_seconds <= 0:
        raise ValueError("the step must be positive")
    series = np.zeros(len(parts.start), np.int64) if series is None else series
    group = np.floor(parts.start / step_seconds).astype(np.int64)
    order = np.lexsort((group, series))
    parts, group, series = take_buckets(parts, order), group[order], series[order]
    is_first = np.ones(len(group), dtype=bool)
    is_first[1:] = (np.diff(group) != 0) | (np.diff(series) != 0)
    starts = np.flatnonzero(is_first)
    if len(starts) == 0:
        return Merged(parts, series, np.zeros(0, dtype=bool))
    sizes = np.diff(starts, append=len(group))
    is_estimated = sizes > 1
    p50, p95 = parts.p50[starts], parts.p95[starts]
    if is_estimated.any():
        several = np.flatnonzero(np.repeat(is_estimated, sizes))
        chosen = take_buckets(parts, several)
        p50[is_estimated] = estimate(chosen, chosen.p50, sizes[is_estimated], 0.50)
        p95[is_estimated] = estimate(chosen, chosen.p95, sizes[is_estimated], 0.95)
    count = np.add.reduceat(parts.count, starts)
    minimum = np.minimum.reduceat(parts.minimum, starts)
    maximum = np.maximum.reduceat(parts.maximum, starts)
    mean = np.add.reduceat(parts.mean * (parts.count / np.repeat(count, sizes)), starts)
    merged = Buckets(
        start=np.asarray(group[starts] * step_seconds, dtype=np.float64),
        count=count,
        minimum=minimum,
        mean=np.where(is_estimated, np.clip(mean, minimum, maximum), parts.mean[starts]),
        maximum=maximum,
        p50=p50,
        p95=p95,
    )
    return Merged(merged, series[starts], is_estimated)


def estimate(parts: Buckets, own: Numbers, sizes: Whole, share: float) -> Numbers:
    """The value below which `share` of each group's values lie, found by halving its range.

    The groups are runs of so many parts; `own` is that percentile of each part: the group's lies
    between the least and greatest of them.
    """
    starts = np.cumsum(sizes) - sizes
    low, high = np.minimum.reduceat(own, starts), np.maximum.reduceat(own, starts)
    wanted = share * np.add.reduceat(parts.count, starts)
    # Each part's share of values below a limit is a sum of three slopes, each from 0 to its height.
    slopes = [
        (left, invert_width(left, right), height * parts.count)
        for left, right, height in (
            (parts.minimum, parts.p50, 0.50),
            (parts.p50, parts.p95, 0.45),
            (parts.p95, parts.maximum, 0.05),
        )
    ]
    for _turn in range(HALVINGS):
        middle = low / 2 + high / 2
        limit = np.repeat(middle, sizes)
        below = np.zeros(len(limit))
        for left, inverse, height in slopes:
            with np.errstate(over="ignore"):
                below += np.clip((limit - left) * inverse, 0.0, 1.0) * height
        is_enough = np.add.reduceat(below, starts) >= wanted
        high = np.where(is_enough, middle, high)
        low = np.where(is_enough, low, middle)
    return high


def invert_width(left: Numbers, right: Numbers) -> Numbers:
    width = right - left
    return np.where(width > 0, 1 / np.where(width > 0, width, 1.0), NO_WIDTH)
