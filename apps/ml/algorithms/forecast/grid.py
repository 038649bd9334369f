"""Measured values as the evenly spaced series that a forecast reads."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Table = NDArray[np.float64]
Whole = NDArray[np.int64]

LEAST_MEASURED_SHARE = 0.4


class Refusal(StrEnum):
    """Why nothing is foretold of a series."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    GAPPY = "gappy"
    CONSTANT = "constant"
    NOT_BETTER = "not_better"


@dataclass(frozen=True, slots=True)
class Refused:
    """No forecast, and why: `count` values of the `needed` ones are there.

    `margin` is that of the backtest, of a forecast that was no better than seasonal naive.
    """

    reason: Refusal
    count: int
    needed: int
    margin: float | None = None


def build_grid(at: Numbers, values: Numbers, *, step_seconds: float, end: float) -> Numbers:
    """One value for each step up to the last one with any; NaN where nothing was measured.

    `at` is Unix seconds in any order; several values of a step count by their mean, whatever is
    not finite or at `end` and later not at all.
    Raises: ValueError when the lengths differ or the step is not positive.
    """
    if at.shape != values.shape or step_seconds <= 0:
        raise ValueError("at and values must be equally long and the step positive")
    is_known = np.isfinite(values) & np.isfinite(at) & (at < end)
    if not is_known.any():
        return np.empty(0)
    slot = np.floor(at[is_known] / step_seconds).astype(np.int64)
    slot -= slot.min()
    count = np.bincount(slot).astype(np.float64)
    share = values[is_known] / count[slot]
    total = np.bincount(slot, weights=share)
    grid: Numbers = np.where(count > 0, total, np.nan)
    return grid


def cut_after_pause(grid: Numbers, longest_pause: int) -> Numbers:
    """What was measured since the last pause of more than `longest_pause` steps."""
    measured = np.flatnonzero(~np.isnan(grid))
    if not len(measured):
        return np.empty(0)
    pauses = np.flatnonzero(np.diff(measured) > longest_pause + 1)
    first = measured[pauses[-1] + 1] if len(pauses) else measured[0]
    return grid[first : measured[-1] + 1]


def find_refusal(grid: Numbers, needed: int) -> Refused | None:
    """What keeps this history, which begins and ends with a value, from being read further."""
    count = int((~np.isnan(grid)).sum())
    if not count:
        return Refused(Refusal.EMPTY, 0, needed)
    if len(grid) < needed:
        return Refused(Refusal.TOO_SHORT, len(grid), needed)
    if count < LEAST_MEASURED_SHARE * len(grid):
        return Refused(Refusal.GAPPY, count, int(np.ceil(LEAST_MEASURED_SHARE * len(grid))))
    spread = float(np.nanmax(grid) - np.nanmin(grid))
    if spread <= 1e-12 * float(np.nanmax(np.abs(grid))):
        return Refused(Refusal.CONSTANT, count, needed)
    return None


def fill_gaps(grid: Numbers) -> Numbers:
    """The series with straight lines through what is missing between two values."""
    places = np.arange(len(grid), dtype=np.float64)
    is_known = ~np.isnan(grid)
    filled: Numbers = np.interp(places, places[is_known], grid[is_known])
    return filled


def cut_windows(series: Numbers, origins: Whole, width: int) -> Table:
    """A row for each origin: the `width` values before it; NaN before the series began."""
    padded = np.concatenate([np.full(width, np.nan), series])
    windows: Table = padded[origins[:, None] + np.arange(width)]
    return windows
