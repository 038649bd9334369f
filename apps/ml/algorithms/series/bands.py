"""What was usual of a series at every moment, to be drawn behind it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400
# Median absolute deviations on either side of an hour's median: some 3.4 standard deviations.
DEVIATIONS = 5.0
LEAST_OF_HOUR = 3


@dataclass(frozen=True, slots=True)
class Band:
    """Columns of equal length, oldest first: Unix seconds, the lower and the upper edge.

    Each row holds until the next, for `hold_seconds` at the most.
    """

    at: Numbers
    low: Numbers
    high: Numbers
    hold_seconds: float

    def since(self, start: float) -> "Band":
        kept = self.at > start - self.hold_seconds
        return Band(self.at[kept], self.low[kept], self.high[kept], self.hold_seconds)


def find_range_band(
    at: Numbers, low: Numbers, high: Numbers, *, span_seconds: float, hold_seconds: float
) -> Band:
    """The least and the greatest of the `span_seconds` before each moment, itself left out.

    Of buckets, `low` and `high` are their extremes. A moment without any before it has no band.
    Raises: ValueError when the columns differ in length.
    """
    check_lengths(at, low, high)
    first = np.searchsorted(at, at - span_seconds)
    last = np.arange(len(at))
    known = np.flatnonzero(first < last)
    lowest, highest = np.empty(len(known)), np.empty(len(known))
    for place, number in enumerate(known.tolist()):
        lowest[place] = low[first[number] : number].min()
        highest[place] = high[first[number] : number].max()
    return Band(at[known], lowest, highest, hold_seconds)


def find_hour_band(at: Numbers, values: Numbers, moments: Numbers) -> Band:
    """The median of the same hour of the day, 5 median deviations on either side.

    For each of the `moments`, of the values of its hour (UTC) on the days before it; with fewer
    than 3 of them there is no band.
    Raises: ValueError when the columns differ in length.
    """
    check_lengths(at, values)
    hour_of_value = at // HOUR_SECONDS % (DAY_SECONDS // HOUR_SECONDS)
    slots = np.unique(moments // HOUR_SECONDS)
    rows = []
    for slot in slots.tolist():
        before = at < slot * HOUR_SECONDS
        same = values[before & (hour_of_value == slot % (DAY_SECONDS // HOUR_SECONDS))]
        if len(same) >= LEAST_OF_HOUR:
            middle = float(np.median(same))
            reach = DEVIATIONS * float(np.median(np.abs(same - middle)))
            rows.append((slot * HOUR_SECONDS, middle - reach, middle + reach))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Band(table[:, 0], table[:, 1], table[:, 2], HOUR_SECONDS)


def check_lengths(*columns: Numbers) -> None:
    if len({len(column) for column in columns}) > 1:
        raise ValueError("columns must be equally long")
