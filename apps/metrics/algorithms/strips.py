"""The hours of one key in one week, packed side by side."""

from collections.abc import Iterable, Sequence

import numpy as np

from apps.metrics.algorithms.series import Numbers
from apps.metrics.algorithms.tiers import HOUR_SECONDS, HOURS_PER_WEEK

# Little-endian: how many values each hour has, then minimum, mean, maximum, p50 and p95 of each.
STRIP = np.dtype([("count", "<u4", HOURS_PER_WEEK), ("numbers", "<f8", (5, HOURS_PER_WEEK))])
# The beginning of a strip, which ends before the percentiles.
BRIEF = np.dtype([("count", "<u4", HOURS_PER_WEEK), ("numbers", "<f8", (3, HOURS_PER_WEEK))])
COLUMN_COUNT = 6


def pack_strip(hours: Iterable[tuple[int, Sequence[float]]]) -> bytes:
    """Each hour's place in the week (0 to 167) and its count, minimum, mean, maximum, p50 and p95.

    An hour that is not there has the count 0.
    Raises: IndexError when there is no such place in a week.
    """
    strip = np.zeros((), STRIP)
    for place, (count, *numbers) in hours:
        strip["count"][place] = count
        strip["numbers"][:, place] = numbers
    return strip.tobytes()


def unpack_strips(begins: Sequence[float], strips: Sequence[bytes | memoryview]) -> Numbers:
    """A row for each hour that has a value: Unix seconds and the six numbers, oldest strip first.

    `begins` are Unix seconds of the weeks of `strips`, both equally long. All strips are whole, or
    all are cut to `BRIEF`; then p50 and p95 are NaN.
    Raises: ValueError when the lengths differ or a strip is not as long as a strip is.
    """
    if len(begins) != len(strips):
        raise ValueError("begins and strips must be equally many")
    is_brief = any(len(strip) == BRIEF.itemsize for strip in strips[:1])
    weeks = np.frombuffer(b"".join(strips), BRIEF if is_brief else STRIP)
    if len(weeks) != len(begins):
        raise ValueError("a strip has the wrong length")
    table = np.empty((len(weeks), HOURS_PER_WEEK, 1 + COLUMN_COUNT))
    table[:, :, 0] = np.asarray(begins)[:, np.newaxis] + np.arange(HOURS_PER_WEEK) * HOUR_SECONDS
    table[:, :, 1] = weeks["count"]
    numbers = weeks["numbers"].transpose(0, 2, 1)
    table[:, :, 2 : 2 + numbers.shape[2]] = numbers
    table[:, :, 2 + numbers.shape[2] :] = np.nan
    found: Numbers = table[weeks["count"] > 0]
    return found
