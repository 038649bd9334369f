"""How much of the agents' door one key may take: generous, but never all of it."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

CALLS_PER_SECOND = 50.0
BURST_CALLS = 500.0
MOST_KEYS = 50_000


@dataclass(slots=True)
class Bucket:
    """What a key has left, and its calls that are not answered yet."""

    left: float
    filled_at: float
    open_calls: int = 0


class Shares:
    """A token bucket for each key, and a bound on its calls at a time; used by one event loop.

    The keys used longest ago are forgotten first, which only ever gives a key more than its share.
    """

    def __init__(
        self, *, most_open_calls: int, read_seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_open_calls = most_open_calls
        self._read_seconds = read_seconds
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def take(self, key: bytes) -> bool:
        """Whether the key may make a call now; if so, `give_back` must follow its answer."""
        now = self._read_seconds()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(BURST_CALLS, now)
            if len(self._buckets) > MOST_KEYS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        filled = bucket.left + (now - bucket.filled_at) * CALLS_PER_SECOND
        bucket.left, bucket.filled_at = min(BURST_CALLS, filled), now
        if bucket.left < 1 or bucket.open_calls >= self._most_open_calls:
            return False
        bucket.left -= 1
        bucket.open_calls += 1
        return True

    def give_back(self, key: bytes) -> None:
        """The call is answered."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.open_calls = max(0, bucket.open_calls - 1)
