"""Cutting a series into buckets: the one way that rollups and charts do it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Columns of equal length, one entry for each group that holds a value, in rising order."""

    group: Whole
    count: Whole
    minimum: Numbers
    mean: Numbers
    maximum: Numbers
    p50: Numbers
    p95: Numbers


@dataclass(frozen=True, slots=True)
class Buckets:
    """Columns of equal length, oldest first; `start` is Unix seconds of the bucket's begin."""

    start: Numbers
    count: Whole
    minimum: Numbers
    mean: Numbers
    maximum: Numbers
    p50: Numbers
    p95: Numbers


def summarise_groups(group: Whole, values: Numbers) -> Groups:
    """Count, minimum, mean, maximum, median and 95th percentile of the values of each group.

    `group` says which group each value belongs to; all finite, in any order. The numbers depend on
    what values a group has and on nothing else, bit for bit: they are sorted before they are
    added. Percentiles interpolate linearly between the two nearest ranks, as numpy's do.
    Raises: ValueError when the lengths differ.
    """
    if group.shape != values.shape:
        raise ValueError("group and values must be equally long")
    order = np.lexsort((values, group))
    # Adding 0 makes one zero of both.
    group, values = group[order], values[order] + 0.0
    starts = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
    count = np.diff(starts, append=len(group))
    if len(starts) == 0:
        empty = np.empty(0)
        return Groups(np.empty(0, np.int64), np.empty(0, np.int64), *[empty] * 5)
    minimum, maximum = values[starts], values[starts + count - 1]
    with np.errstate(over="ignore"):
        mean = np.add.reduceat(values, starts) / count
    return Groups(
        group=group[starts],
        count=count,
        minimum=minimum,
        # Rounding, or a sum beyond the largest double, must not lead out of the values' range.
        mean=np.clip(mean, minimum, maximum),
        maximum=maximum,
        p50=interpolate_rank(values, starts, count, 0.50),
        p95=interpolate_rank(values, starts, count, 0.95),
    )


def interpolate_rank(values: Numbers, starts: Whole, count: Whole, share: float) -> Numbers:
    """The value at `share` of the way from the first to the last of each run of sorted values."""
    rank = (count - 1) * share
    below = np.floor(rank).astype(np.int64)
    weight = rank - below
    lower = values[starts + below]
    upper = values[starts + np.minimum(below + 1, count - 1)]
    found: Numbers = np.clip(lower * (1 - weight) + upper * weight, lower, upper)
    return found


def bucket_series(at: Numbers, values: Numbers, step_seconds: float) -> Buckets:
    """The numbers of `summarise_groups` for each bucket that holds a value.

    `at` is Unix seconds and as long as `values`; both finite. Buckets start at whole multiples of
    `step_seconds`.
    Raises: ValueError when the lengths differ or the step is not positive.
    """
    if at.shape != values.shape or step_seconds <= 0:
        raise ValueError("at and values must be equally long and the step positive")
    found = summarise_groups(np.floor(at / step_seconds).astype(np.int64), values)
    return Buckets(
        start=np.asarray(found.group * step_seconds, dtype=np.float64),
        count=found.count,
        minimum=found.minimum,
        mean=found.mean,
        maximum=found.maximum,
        p50=found.p50,
        p95=found.p95,
    )


def join_buckets(parts: Sequence[Buckets]) -> Buckets:
    """All the parts' entries, one part after the other; no part gives no buckets."""
    if not parts:
        return bucket_series(np.empty(0), np.empty(0), 1)
    return Buckets(
        start=np.concatenate([part.start for part in parts]),
        count=np.concatenate([part.count for part in parts]),
        minimum=np.concatenate([part.minimum for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        maximum=np.concatenate([part.maximum for part in parts]),
        p50=np.concatenate([part.p50 for part in parts]),
        p95=np.concatenate([part.p95 for part in parts]),
    )


def take_buckets(buckets: Buckets, places: Whole) -> Buckets:
    """The entries at those places, in their order."""
    return Buckets(
        start=buckets.start[places],
        count=buckets.count[places],
        minimum=buckets.minimum[places],
        mean=buckets.mean[places],
        maximum=buckets.maximum[places],
        p50=buckets.p50[places],
        p95=buckets.p95[places],
    )
