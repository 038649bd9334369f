"""Many series over the same buckets: what a page of many clients draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.metrics.algorithms.series import Buckets, Groups, Numbers, summarise_groups

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Grid:
    """A row for each series, a column for each bucket; NaN where a series has no value.

    `start` is Unix seconds of the buckets' begins. `count` is 0 where there is no value.
    """

    step_seconds: int
    start: Numbers
    count: Table
    minimum: Table
    mean: Table
    maximum: Table


def build_grid(series: Sequence[Buckets], first: float, width: int, step_seconds: int) -> Grid:
    """The series cut into `width` buckets from `first` on; each part lies wholly inside one.

    Parts outside are left out. Count, minimum and maximum are exact, the mean to rounding.
    Raises: ValueError when the step is not positive.
    """
    if step_seconds <= 0:
        raise ValueError("the step must be positive")
    shape = (len(series), width)
    count = np.zeros(shape)
    minimum, mean, maximum = (np.full(shape, np.nan) for _column in range(3))
    for row, parts in enumerate(series):
        slot = np.floor((parts.start - first) / step_seconds).astype(np.int64)
        inside = np.flatnonzero((slot >= 0) & (slot < width))
        inside = inside[np.argsort(slot[inside], kind="stable")]
        if not len(inside):
            continue
        slot, counts = slot[inside], parts.count[inside].astype(np.float64)
        starts = np.flatnonzero(np.diff(slot, prepend=-1))
        column, sizes = slot[starts], np.diff(starts, append=len(slot))
        count[row, column] = np.add.reduceat(counts, starts)
        minimum[row, column] = np.minimum.reduceat(parts.minimum[inside], starts)
        maximum[row, column] = np.maximum.reduceat(parts.maximum[inside], starts)
        share = counts / np.repeat(count[row, column], sizes)
        means = np.add.reduceat(parts.mean[inside] * share, starts)
        # Rounding must not lead out of the values' range.
        mean[row, column] = np.clip(means, minimum[row, column], maximum[row, column])
    start = first + np.arange(width, dtype=np.float64) * step_seconds
    return Grid(step_seconds, start, count, minimum, mean, maximum)


def summarise_columns(table: Table) -> Groups:
    """Of each column with a value: how many rows have one, and what those are like.

    Every row counts once, however many values it was made of. `group` is the column's number.
    """
    row, column = np.nonzero(~np.isnan(table))
    return summarise_groups(column.astype(np.int64), table[row, column])


def average_groups(group: "NDArray[np.int64]", parts: Buckets, size: int) -> Numbers:
    """The mean of all values of each group 0 to `size` - 1; NaN where a group has none."""
    weights = parts.count.astype(np.float64)
    total = np.bincount(group, weights=weights, minlength=size)
    share = np.divide(weights, total[group], out=np.zeros_like(weights), where=weights > 0)
    mean = np.bincount(group, weights=parts.mean * share, minlength=size)
    found: Numbers = np.where(total > 0, mean, np.nan)
    return found
