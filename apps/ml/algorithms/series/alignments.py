"""How far the latest stretch of a stream is from the nearest earlier one."""

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.series.recent import RecentValues, Single

Double = NDArray[np.float64]
STRETCH = 96
# Every third place: days, hours and quarters of them are multiples of three at all usual intervals.
STRIDE = 3


class Alignments:
    """The squared distances of the last 96 values to those that ended 96, 99, 102... values before.

    Each is kept up to date by what enters it and what leaves it, and summed anew every 96 values:
    then nothing is left of the rounding of a huge value that went by.
    """

    __slots__ = ("_capacity", "_squares")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._squares: Double = np.zeros((capacity - 2 * STRETCH) // STRIDE + 1)

    def count_known(self, held: int) -> int:
        """How many of them lie within so many values."""
        return max(0, (min(held, self._capacity) - 2 * STRETCH) // STRIDE + 1)

    def push(self, value: float, before: RecentValues) -> float:
        """The least distance once `value` follows `before`; NaN while there are too few."""
        held = before.count + 1
        known = self.count_known(held)
        if known == 0:
            return float("nan")
        past = before.latest
        self._move(value, past, self.count_known(before.count))
        is_new = known > self.count_known(before.count)
        if held % STRETCH == 0 or is_new:
            whole = np.append(past[-self._capacity + 1 :], np.float32(value))
            first = 0 if held % STRETCH == 0 else known - 1
            self._squares[first:known] = measure_squares(whole, first, known)
        return float(max(self._squares[:known].min(), 0.0) ** 0.5)

    def _move(self, value: float, past: Single, known: int) -> None:
        if known == 0:
            return
        # Those that ended `lag` before `value`, by rising lag; and what left each stretch.
        entered = past[-STRETCH::-STRIDE][:known]
        left = past[-2 * STRETCH :: -STRIDE][:known]
        difference = np.subtract(np.float64(np.float32(value)), entered, dtype=np.float64)
        difference *= difference
        self._squares[:known] += difference
        np.subtract(np.float64(past[-STRETCH]), left, out=difference, dtype=np.float64)
        difference *= difference
        self._squares[:known] -= difference

    def to_bytes(self, held: int) -> bytes:
        return self._squares[: self.count_known(held)].astype("<f8").tobytes()

    def restore(self, stored: bytes, offset: int, held: int) -> int:
        """Take over what `to_bytes` wrote from `offset` on; where the next thing begins."""
        known = self.count_known(held)
        self._squares[:known] = np.frombuffer(stored, "<f8", known, offset)
        return offset + 8 * known


def measure_squares(whole: Single, first: int, known: int) -> Double:
    """The squared distances of the alignments `first` to `known`, summed anew.

    `whole` is the latest values, oldest first.
    """
    stretch = whole[-STRETCH:].astype(np.float64)
    ends = len(whole) - STRETCH - STRIDE * np.arange(first, known)
    places = ends[:, np.newaxis] + np.arange(-STRETCH, 0)
    differences = whole[places] - stretch
    squares: Double = np.einsum("ij,ij->i", differences, differences)
    return squares
