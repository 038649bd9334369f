"""The latest values of a stream as one array without a seam."""

import struct

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]
COUNT = struct.Struct("<Q")


class RecentValues:
    """The last `capacity` values, float32.

    Every value is written twice, a capacity apart, so that the latest always stand in one piece.
    """

    __slots__ = ("_pairs", "capacity", "count")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.count = 0
        self._pairs: Single = np.zeros(2 * capacity, np.float32)

    @property
    def latest(self) -> Single:
        """Oldest first; a view, good until the next value."""
        if self.count < self.capacity:
            return self._pairs[: self.count]
        begin = self.count % self.capacity
        return self._pairs[begin : begin + self.capacity]

    def append(self, value: float) -> None:
        place = self.count % self.capacity
        self._pairs[place] = self._pairs[place + self.capacity] = value
        self.count += 1

    def to_bytes(self) -> bytes:
        return COUNT.pack(self.count) + self.latest.astype("<f4").tobytes()

    def restore(self, stored: bytes, offset: int) -> int:
        """Take over what `to_bytes` wrote from `offset` on; where the next thing begins."""
        (self.count,) = COUNT.unpack_from(stored, offset)
        offset += COUNT.size
        held = min(self.count, self.capacity)
        values = np.frombuffer(stored, "<f4", held, offset)
        begin = self.count % self.capacity if held == self.capacity else 0
        places = (begin + np.arange(held)) % self.capacity
        self._pairs[places] = self._pairs[places + self.capacity] = values
        return offset + 4 * held
