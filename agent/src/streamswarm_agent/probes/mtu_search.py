"""The search for the largest packet that a path carries; pure, without sockets or clocks.

Source: RFC 8899 (datagram packetization layer path MTU discovery), section 5.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """A size in bytes to try next; `is_careful` when its loss will be final."""

    size_bytes: int
    is_careful: bool


@dataclass(slots=True)
class Search:
    """Halves the range between what arrived and what did not, and doubts its own result once.

    A packet can be lost for reasons other than its size, and a router's word can be wrong. So a
    word is only where to look next, and the smallest size that got lost is tried again carefully
    before the size below it is the result. When it arrives after all, no loss is believed any
    more that was not careful. `lowest_bytes` must have arrived already.
    """

    lowest_bytes: int
    highest_bytes: int
    good_bytes: int = field(init=False)
    _failed: dict[int, bool] = field(init=False, default_factory=dict)
    _hint_bytes: int | None = field(init=False, default=None)
    _is_doubtful: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.good_bytes = self.lowest_bytes

    @property
    def bad_bytes(self) -> int:
        """The smallest size that did not arrive, or one above the highest."""
        return min(self._failed, default=self.highest_bytes + 1)

    def find_next(self) -> Step | None:
        """What to try next; None once `good_bytes` is the answer."""
        bad = self.bad_bytes
        if not self._failed:
            is_open = self.good_bytes < self.highest_bytes
            return self._plan(self.highest_bytes) if is_open else None
        if bad - self.good_bytes == 1:
            return None if self._failed[bad] else Step(bad, is_careful=True)
        hint = self._hint_bytes
        for size in (hint, hint and hint + 1):
            if size is not None and self.good_bytes < size < bad:
                return self._plan(size)
        return self._plan((self.good_bytes + bad) // 2)

    def note_delivered(self, size_bytes: int) -> None:
        """A packet of that size arrived: whatever was lost below it was lost for another reason."""
        self._is_doubtful |= size_bytes >= self.bad_bytes
        self.good_bytes = max(self.good_bytes, size_bytes)
        self._failed = {
            size: is_sure
            for size, is_sure in self._failed.items()
            if size > size_bytes and (is_sure or not self._is_doubtful)
        }

    def note_lost(self, step: Step) -> None:
        """No packet of that size arrived, and nobody said why."""
        self._failed[step.size_bytes] = step.is_careful

    def note_refused(self, size_bytes: int, mtu_bytes: int) -> None:
        """Somebody said that the size is too big, and that `mtu_bytes` (0: unsaid) is not."""
        self._failed[size_bytes] = True
        self._hint_bytes = mtu_bytes or None

    def _plan(self, size_bytes: int) -> Step:
        return Step(size_bytes, is_careful=self._is_doubtful)
