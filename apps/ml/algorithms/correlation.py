"""Which series moved together, one perhaps a little before the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST_POINTS = 12
LEAST_OVERLAP = 0.6


@dataclass(frozen=True, slots=True)
class Movement:
    """Pearson's coefficient, -1 to 1, at the shift where it is strongest.

    A positive shift says that the other series moved so many steps before.
    """

    coefficient: float
    shift: int


def find_movement(one: Sequence[float], other: Sequence[float], most_shift: int) -> Movement | None:
    """How two series of equal steps and length move together; NaN is what was not measured.

    None when either hardly changes, or when fewer than twelve points (or 60 %) are known of both.
    Source: Pearson correlation over time shifts, as LinkedIn's Luminol ranks causes.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError("the series are not of the same length")
    best: Movement | None = None
    for shift in sorted(range(-most_shift, most_shift + 1), key=abs):
        coefficient = correlate(*cut(first, second, shift))
        if coefficient is not None and (
            best is None or abs(coefficient) > abs(best.coefficient) + 1e-9
        ):
            best = Movement(coefficient, shift)
    return best


def cut(
    first: "np.ndarray[Any, Any]", second: "np.ndarray[Any, Any]", shift: int
) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
    """The parts that lie over each other when the second is moved later by `shift` steps."""
    if shift > 0:
        return first[shift:], second[:-shift]
    return (first[:shift], second[-shift:]) if shift < 0 else (first, second)


def correlate(first: "np.ndarray[Any, Any]", second: "np.ndarray[Any, Any]") -> float | None:
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < max(LEAST_POINTS, LEAST_OVERLAP * len(first)):
        return None
    left, right = first[known], second[known]
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left**2).sum() * (right**2).sum()))
    if not np.isfinite(scale) or scale <= 1e-12 * max(1.0, float(np.abs(first[known]).max()) ** 2):
        return None
    return float(np.clip((left * right).sum() / scale, -1, 1))
