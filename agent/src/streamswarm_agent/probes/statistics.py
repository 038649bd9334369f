"""Figures about series of round trips; pure functions without clocks or sockets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import fsum, sqrt

JITTER_GAIN = 1 / 16


@dataclass(frozen=True, slots=True)
class LossPattern:
    """How losses cluster: probes lost in all, the longest run of them, the number of runs."""

    lost_count: int
    longest_burst: int
    period_count: int


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, summed without rounding error, never outside the range of the values.

    Raises: ValueError when there is no value.
    """
    if not values:
        raise ValueError("the mean of no values is undefined")
    return min(max(fsum(values) / len(values), min(values)), max(values))


def standard_deviation(values: Sequence[float]) -> float:
    """Sample standard deviation (divisor n - 1), in the unit of the values.

    Raises: ValueError for fewer than two values.
    """
    if len(values) < 2:  # noqa: PLR2004 - n - 1 needs two
        raise ValueError("a standard deviation needs two values")
    centre = mean(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, by linear interpolation.

    The rank is share * (n - 1) between the sorted values: type 7 of Hyndman and Fan (1996), the
    default of NumPy and R. Raises: ValueError for no values or a share outside 0 to 1.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError("a percentile needs values and a share between 0 and 1")
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    step = (ordered[above] - ordered[below]) * (rank - below)
    return min(ordered[below] + step, ordered[above])


def interarrival_jitter(transit_seconds: Sequence[float]) -> float:
    """Smoothed jitter in seconds of transit or round-trip times, oldest first.

    Source: RFC 3550 section 6.4.1 (J += (|D| - J) / 16, starting at 0). Zero for fewer than two.
    """
    jitter = 0.0
    for earlier, later in pairwise(transit_seconds):
        jitter += (abs(later - earlier) - jitter) * JITTER_GAIN
    return jitter


def absolute_variations(round_trips: Sequence[float | None]) -> list[float]:
    """|difference| in seconds of each two consecutive probes, in sending order; None is a loss.

    Source: RFC 3393: the variation of a pair is undefined, and left out, when either was lost.
    """
    return [
        abs(later - earlier)
        for earlier, later in pairwise(round_trips)
        if earlier is not None and later is not None
    ]


def loss_pattern(round_trips: Sequence[float | None]) -> LossPattern:
    """Losses of a series in sending order, None being a loss.

    Source: RFC 3357: a loss period is a run of consecutive losses.
    """
    bursts = list(_burst_lengths(round_trips))
    return LossPattern(sum(bursts), max(bursts, default=0), len(bursts))


def loss_distances(round_trips: Sequence[float | None]) -> list[int]:
    """Of each loss but the first, how many packets it lies behind the one before (RFC 3357)."""
    places = [place for place, seconds in enumerate(round_trips) if seconds is None]
    return [later - earlier for earlier, later in pairwise(places)]


def burst_ratio(round_trips: Sequence[float | None]) -> float:
    """The mean length of the runs of losses over what it were if losses were independent.

    Source: ITU-T G.107 section 3.6: 1 for random losses, more for bursts; 1 without any loss, and
    when nothing arrived.
    """
    pattern = loss_pattern(round_trips)
    received_count = len(round_trips) - pattern.lost_count
    if not pattern.lost_count or not received_count:
        return 1.0
    return pattern.lost_count / pattern.period_count * received_count / len(round_trips)


def _burst_lengths(round_trips: Sequence[float | None]) -> Iterator[int]:
    for is_lost, run in groupby(round_trips, key=lambda seconds: seconds is None):
        if is_lost:
            yield sum(1 for _ in run)
