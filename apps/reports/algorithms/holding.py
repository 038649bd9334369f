"""Which value holds at a moment, as Prometheus has it: the newest one, if it is not too old."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def hold_values(
    at: Numbers, values: Numbers, moments: Numbers, hold_seconds: float
) -> tuple[Numbers, Numbers]:
    """Of the moments at which a value holds: the moment and the value.

    `at` is Unix seconds in rising order and as long as `values`. A value holds from its moment on
    until the next one, for less than `hold_seconds`.
    Raises: ValueError when the lengths differ.
    """
    if at.shape != values.shape:
        raise ValueError("at and values must be equally long")
    if not len(at):
        return np.empty(0), np.empty(0)
    place = np.searchsorted(at, moments, side="right") - 1
    is_held = (place >= 0) & (moments - at[np.maximum(place, 0)] < hold_seconds)
    return moments[is_held], values[place[is_held]]
