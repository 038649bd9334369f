"""Cutting a series into buckets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Columns of equal length, oldest first; `start` is Unix seconds of the bucket's begin."""

    start: Numbers
    count: NDArray[np.int64]
    minimum: Numbers
    mean: Numbers
    maximum: Numbers
    p95: Numbers


def bucket_series(at: Numbers, values: Numbers, step_seconds: float) -> Buckets:
    """Count, minimum, mean, maximum and 95th percentile of each bucket that holds a value.

    `at` is Unix seconds in rising order and as long as `values`; both finite. Buckets start at
    whole multiples of `step_seconds`. The percentile interpolates linearly.
    Raises: ValueError when the lengths differ or the step is not positive.
    """
    if at.shape != values.shape or step_seconds <= 0:
        raise ValueError("at and values must be equally long and the step positive")
    bucket = np.floor(at / step_seconds).astype(np.int64)
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[:1] - 1))
    count = np.diff(starts, append=len(bucket))
    if len(starts) == 0:
        empty = np.empty(0)
        return Buckets(empty, np.empty(0, np.int64), empty, empty, empty, empty)
    parts = np.split(values, starts[1:])
    return Buckets(
        start=np.asarray(bucket[starts] * step_seconds, dtype=np.float64),
        count=count,
        minimum=np.minimum.reduceat(values, starts),
        mean=np.add.reduceat(values, starts) / count,
        maximum=np.maximum.reduceat(values, starts),
        p95=np.array([np.percentile(part, 95) for part in parts]),
    )
