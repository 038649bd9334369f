"""What round trips tell about the other end's clock, and whether one-way delays can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from statistics import median

FASTEST_SHARE = 0.1
SKEW_WINDOWS = 16
SKEW_NEEDS_WINDOWS = 8
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Exchange:
    """Four stamps in Unix nanoseconds: sent and arrived by our clock, reached and left by theirs.

    `round_trip_seconds` has the peer's handling taken off, and no step of any clock in it.
    """

    sent_ns: int
    reached_ns: int
    left_ns: int
    arrived_ns: int
    round_trip_seconds: float

    @property
    def offset_seconds(self) -> float:
        """How far their clock is ahead, right when both ways take equally long (RFC 5905)."""
        return (self.reached_ns - self.sent_ns + self.left_ns - self.arrived_ns) / 2e9

    @property
    def forward_seconds(self) -> float:
        """The way to the peer, wrong by the difference of the clocks."""
        return (self.reached_ns - self.sent_ns) / 1e9

    @property
    def reverse_seconds(self) -> float:
        """The way back, wrong by the difference of the clocks the other way."""
        return (self.arrived_ns - self.left_ns) / 1e9


def estimate_offset(exchanges: Sequence[Exchange]) -> float:
    """Seconds by which their clock is ahead, off by half of the path's asymmetry.

    The median of the fastest tenth, which waited least in queues. Raises: ValueError for none.
    """
    if not exchanges:
        raise ValueError("no exchange tells of the peer's clock")
    ordered = sorted(exchanges, key=lambda one: one.round_trip_seconds)
    fastest = ordered[: ceil(len(ordered) * FASTEST_SHARE)]
    return median(one.offset_seconds for one in fastest)


def estimate_skew_ppm(exchanges: Sequence[Exchange]) -> float | None:
    """How much faster their clock runs, in parts per million; None for too few exchanges.

    The median slope (Theil and Sen) between the fastest exchanges of sixteen stretches of time.
    """
    if not exchanges:
        return None
    begin = min(one.sent_ns for one in exchanges)
    length = max(one.sent_ns for one in exchanges) - begin + 1
    fastest: dict[int, Exchange] = {}
    for one in exchanges:
        window = (one.sent_ns - begin) * SKEW_WINDOWS // length
        best = fastest.get(window)
        if best is None or one.round_trip_seconds < best.round_trip_seconds:
            fastest[window] = one
    if len(fastest) < SKEW_NEEDS_WINDOWS:
        return None
    return MILLION * median(
        (later.offset_seconds - earlier.offset_seconds) * 1e9 / (later.sent_ns - earlier.sent_ns)
        for earlier, later in combinations((fastest[window] for window in sorted(fastest)), 2)
    )


def bound_error(
    exchanges: Sequence[Exchange], own_error: float | None, peer_error: float | None
) -> float | None:
    """Seconds that the clocks may put into one-way delays; None when they cannot be believed.

    `own_error` and `peer_error` are what each end's kernel says, None for one not synchronised.
    Clocks that differ by more than that and half the fastest round trip allow cannot be right.
    """
    if own_error is None or peer_error is None or not exchanges:
        return None
    bound = own_error + peer_error
    fastest = min(one.round_trip_seconds for one in exchanges)
    is_contradicted = abs(estimate_offset(exchanges)) > bound + fastest / 2
    return None if is_contradicted else bound
