"""How packets overtook one another: RFC 4737, from the order and the times of their arrival."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

TCP_DUPLICATES = 3
"""Acknowledgements repeated so often make TCP send again (RFC 5681)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet's number, by the order of sending, and when it arrived, in seconds."""

    sequence: int
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Disorder:
    """Of the packets that arrived: those reordered, and the worst figures of any.

    `greatest_extent` counts packets that overtook one, `greatest_late_seconds` is how long after
    the first of these it arrived; `overtaken_by_three_count` are 3-reordered (section 5.4).
    """

    arrived_count: int
    reordered_count: int
    greatest_extent: int
    greatest_late_seconds: float
    overtaken_by_three_count: int


def measure_disorder(arrivals: Sequence[Arrival]) -> Disorder:
    """The disorder of packets, each of them once, in the order in which they arrived.

    Source: RFC 4737, section 3 (reordered: a number below one that came before), 4.2 (extent: the
    distance to the earliest such packet), 4.3 (late time), 5.4 (n-reordering).
    """
    highest: list[int] = []
    highest_places: list[int] = []
    reordered = by_three = greatest_extent = 0
    greatest_late = 0.0
    for place, arrival in enumerate(arrivals):
        if not highest or arrival.sequence > highest[-1]:
            highest.append(arrival.sequence)
            highest_places.append(place)
            continue
        overtaker = highest_places[bisect_right(highest, arrival.sequence)]
        reordered += 1
        greatest_extent = max(greatest_extent, place - overtaker)
        greatest_late = max(greatest_late, arrival.arrived_at - arrivals[overtaker].arrived_at)
        before = arrivals[max(place - TCP_DUPLICATES, 0) : place]
        is_overtaken = len(before) == TCP_DUPLICATES
        by_three += is_overtaken and all(one.sequence > arrival.sequence for one in before)
    return Disorder(len(arrivals), reordered, greatest_extent, greatest_late, by_three)
