"""Figures of a transfer's course: bytes received against time. No sockets, no clocks."""

from collections.abc import Sequence
from itertools import pairwise

from streamswarm_agent.probes.statistics import mean, standard_deviation

Curve = Sequence[tuple[float, int]]
"""Moments in seconds, rising, and the bytes received until then."""

BITS_PER_BYTE = 8
BOUNDARY_SHARE = 0.1
LONGEST_BOUNDARY_SECONDS = 0.5
STEADY_SHARE = 0.9
RATES_NEED = 3


def measure_window(curve: Curve, begin: float, end: float) -> tuple[int, float]:
    """Bytes and seconds between two moments near `begin` and `end`; (0, 0.0) when nothing came.

    TCP hands data on in order: after a loss the curve stands still, then jumps to what had
    arrived. So each boundary is the moment near it at which the curve, less the mean slope, is
    highest: there is no hole before it.
    """
    inside = [point for point in curve if begin <= point[0] <= end]
    if len(inside) < 2 or inside[0][0] == inside[-1][0]:  # noqa: PLR2004 - a window has two ends
        return 0, 0.0
    (first_at, first), (last_at, last) = inside[0], inside[-1]
    slope = (last - first) / (last_at - first_at)
    reach = min(BOUNDARY_SHARE * (end - begin), LONGEST_BOUNDARY_SECONDS)

    def height(point: tuple[float, int]) -> float:
        return point[1] - slope * (point[0] - first_at)

    start = max((one for one in inside if one[0] <= first_at + reach), key=height)
    stop = max((one for one in inside if one[0] >= last_at - reach), key=height)
    if stop[0] <= start[0]:
        return last - first, last_at - first_at
    return stop[1] - start[1], stop[0] - start[0]


def count_steps(curve: Curve, begin: float, end: float, step: float) -> list[float]:
    """Bits a second in each whole step of the window."""
    levels = []
    place, level, at = 0, 0, begin
    while at <= end + step * 1e-6:
        while place < len(curve) and curve[place][0] <= at:
            level = curve[place][1]
            place += 1
        levels.append(level)
        at = begin + len(levels) * step
    return [(later - earlier) * BITS_PER_BYTE / step for earlier, later in pairwise(levels)]


def find_ramp_seconds(steps: Sequence[float], step: float, steady: float) -> float | None:
    """Seconds until a step first had nine tenths of the steady rate; None when none had."""
    for place, rate in enumerate(steps):
        if rate >= STEADY_SHARE * steady:
            return place * step
    return None


def vary(rates: Sequence[float]) -> float | None:
    """The rates' standard deviation over their mean; None for fewer than three, or for nothing."""
    if len(rates) < RATES_NEED or not mean(rates):
        return None
    return standard_deviation(rates) / mean(rates)
