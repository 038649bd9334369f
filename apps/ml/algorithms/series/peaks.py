"""The greatest of the latest values of a stream, in little memory."""

import math
import struct

# A window is remembered in so many parts, of which each leaves it as a whole.
PARTS = 50
ENTRY = struct.Struct("<Id")
HEADER = struct.Struct("<II")


class Peak:
    """The greatest of the last `window` values given; NaN counts as a place without value.

    It is exact within a fiftieth: what is remembered reaches back `window` values and at most one
    part more, so it takes 52 entries at the most, whatever comes. A window of fewer than 100 values
    is exact.
    """

    __slots__ = ("_levels", "_part_length", "_parts", "_position", "_reach", "count")

    def __init__(self, window: int) -> None:
        self._part_length = max(1, window // PARTS) if window >= 2 * PARTS else 1
        self._reach = window // self._part_length
        self._position = 0
        # How many values were no NaN, ever.
        self.count = 0
        # From the oldest on, falling: what is smaller than a later one is never the greatest again.
        self._parts: list[int] = []
        self._levels: list[float] = []

    @property
    def greatest(self) -> float:
        """NaN when there is none."""
        return self._levels[0] if self._levels else math.nan

    def push(self, value: float) -> None:
        parts, levels = self._parts, self._levels
        part = self._position // self._part_length
        self._position += 1
        if value == value:  # noqa: PLR0124 - the quickest test for NaN
            self.count += 1
            while levels and levels[-1] <= value:
                levels.pop()
                parts.pop()
            if not parts or parts[-1] != part:
                levels.append(value)
                parts.append(part)
        oldest = self._position // self._part_length - self._reach
        while parts and parts[0] < oldest:
            del parts[0], levels[0]

    def to_bytes(self) -> bytes:
        head = HEADER.pack(self._position, self.count) + struct.pack("<H", len(self._parts))
        entries = zip(self._parts, self._levels, strict=True)
        return head + b"".join(ENTRY.pack(part, level) for part, level in entries)

    def restore(self, stored: bytes, offset: int) -> int:
        """Take over what `to_bytes` wrote from `offset` on; where the next thing begins."""
        self._position, self.count = HEADER.unpack_from(stored, offset)
        offset += HEADER.size
        (length,) = struct.unpack_from("<H", stored, offset)
        offset += 2
        entries = [ENTRY.unpack_from(stored, offset + ENTRY.size * n) for n in range(length)]
        self._parts = [part for part, _level in entries]
        self._levels = [level for _part, level in entries]
        end: int = offset + ENTRY.size * length
        return end
