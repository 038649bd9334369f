"""What to expect of the next value, by the values there were."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Of how many next values the interval promises to hold.
COVERED: Final = 0.8
# Below, no interval of that promise exists, or it is all there was.
LEAST_VALUES: Final = 20


@dataclass(frozen=True, slots=True)
class Expected:
    """The middle and an interval for the next value, and how many values say so."""

    middle: float
    low: float
    high: float
    count: int


def expect_next(values: NDArray[np.float64]) -> Expected | None:
    """The median and the interval that holds a next value of the same kind with 80 %.

    Values may come in any order, NaN is left out. The interval takes the ranks of a split-conformal
    prediction: its promise holds for any distribution, as long as the next value is drawn like
    these. None for fewer than 20 values.
    Source: Lei and others, Distribution-Free Predictive Inference (2018).
    """
    known = np.sort(values[np.isfinite(values)])
    count = known.size
    if count < LEAST_VALUES:
        return None
    left_out = (1 - COVERED) / 2
    low = max(int(np.floor((count + 1) * left_out)), 1)
    high = min(int(np.ceil((count + 1) * (1 - left_out))), count)
    return Expected(
        float(np.median(known)), float(known[low - 1]), float(known[high - 1]), int(count)
    )
