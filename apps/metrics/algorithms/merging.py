"""Putting coarse buckets together from finer ones."""

from dataclasses import dataclass

import numpy as np

from apps.metrics.algorithms.series import Buckets, Numbers, Whole

# Halving a range of doubles so often leaves nothing that could be told apart.
HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Merged:
    """Coarser buckets, and which of them have a p50 and p95 that are estimated."""

    buckets: Buckets
    is_estimated: bool


def merge_buckets(parts: Buckets, step_seconds: float) -> Merged:
    """The buckets of `step_seconds` that the parts make up; parts lie wholly inside one each.

    Count, minimum and maximum are exact, the mean to rounding. p50 and p95 of a bucket of one part
    are that part's; of several they are estimated: each part's values are taken as spread evenly
    between its minimum, p50, p95 and maximum, and the percentile is read from what that makes in
    all. An estimate never leaves the range from the least to the greatest of the parts' own.
    Raises: ValueError when the step is not positive.
    """
    if step_seconds <= 0:
        raise ValueError("the step must be positive")
    group = np.floor(parts.start / step_seconds).astype(np.int64)
    order = np.argsort(group, kind="stable")
    parts, group = take_parts(parts, order), group[order]
    starts = np.flatnonzero(np.diff(group, prepend=group[:1] - 1))
    if len(starts) == 0:
        return Merged(parts, is_estimated=False)
    sizes = np.diff(starts, append=len(group))
    count = np.add.reduceat(parts.count, starts)
    minimum = np.minimum.reduceat(parts.minimum, starts)
    maximum = np.maximum.reduceat(parts.maximum, starts)
    weight = parts.count / np.repeat(count, sizes)
    mean = np.add.reduceat(parts.mean * weight, starts)
    is_alone = sizes == 1
    merged = Buckets(
        start=np.asarray(group[starts] * step_seconds, dtype=np.float64),
        count=count,
        minimum=minimum,
        mean=np.where(is_alone, parts.mean[starts], np.clip(mean, minimum, maximum)),
        maximum=maximum,
        p50=np.where(is_alone, parts.p50[starts], estimate(parts, parts.p50, starts, sizes, 0.50)),
        p95=np.where(is_alone, parts.p95[starts], estimate(parts, parts.p95, starts, sizes, 0.95)),
    )
    return Merged(merged, is_estimated=not is_alone.all())


def take_parts(parts: Buckets, order: Whole) -> Buckets:
    return Buckets(
        start=parts.start[order],
        count=parts.count[order],
        minimum=parts.minimum[order],
        mean=parts.mean[order],
        maximum=parts.maximum[order],
        p50=parts.p50[order],
        p95=parts.p95[order],
    )


def estimate(parts: Buckets, own: Numbers, starts: Whole, sizes: Whole, share: float) -> Numbers:
    """The value below which `share` of each group's values lie, found by halving its range.

    `own` is that percentile of each part: the group's lies between the least and greatest of them.
    """
    low = np.minimum.reduceat(own, starts)
    high = np.maximum.reduceat(own, starts)
    total = np.add.reduceat(parts.count, starts)
    for _turn in range(HALVINGS):
        middle = low / 2 + high / 2
        below = parts.count * measure_share_below(parts, np.repeat(middle, sizes))
        is_enough = np.add.reduceat(below, starts) >= share * total
        high = np.where(is_enough, middle, high)
        low = np.where(is_enough, low, middle)
    return high


def measure_share_below(parts: Buckets, limit: Numbers) -> Numbers:
    """The share of each part's values up to `limit`, spread evenly between what is known."""
    share = np.zeros(len(limit))
    knots = (
        (parts.minimum, parts.p50, 0.0, 0.50),
        (parts.p50, parts.p95, 0.50, 0.95),
        (parts.p95, parts.maximum, 0.95, 1.0),
    )
    for left, right, share_left, share_right in knots:
        width = right - left
        is_wide = width > 0
        way = np.where(is_wide, (limit - left) / np.where(is_wide, width, 1.0), 1.0)
        inside = share_left + np.clip(way, 0.0, 1.0) * (share_right - share_left)
        share = np.where(limit >= left, inside, share)
    return share
