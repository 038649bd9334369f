"""What may be unusual about a value of a series: five channels, each against its own past.

A channel's figure is divided by the greatest that it has been among the latest values; the range is
the exception, 1 being its edge. So 1 means "as far as ever", in every channel of every series.
"""

import itertools
import math
from typing import Final

import numpy as np

from apps.ml.algorithms.series.alignments import STRETCH, Alignments, Double
from apps.ml.algorithms.series.peaks import Peak
from apps.ml.algorithms.series.recent import RecentValues, Single

MEMORY: Final = 4000
SEASONAL_MEMORY: Final = 2000
LEAST_IN_RANGE: Final = 20
LEAST_FIGURES: Final = 20
LEAST_SEASONAL_FIGURES: Final = 100
FIRST_VALUES: Final = 200
SHIFTED, SETTLED, SMOOTHED = 10, 200, 12
DAY_SECONDS: Final = 86_400
DAYS_IN_WEEK: Final = 7
# Smaller than this part of the range is the rounding of what was computed.
ROUNDING: Final = 1e-6
# What a change of a constant series is compared with, as a part of its level.
FLAT_PART: Final = 0.01


def compare(figure: float, peak: Peak, least: int = LEAST_FIGURES) -> float:
    """The figure as a multiple of the greatest before it, 0 while too few were seen; then kept."""
    greatest = peak.greatest
    is_known = peak.count >= least and greatest > 0 and not math.isnan(figure)
    ratio = figure / greatest if is_known else 0.0
    peak.push(figure)
    return ratio


def average(values: Single) -> float:
    return float(np.add.reduce(values, dtype=np.float64)) / len(values)


class RangeChannel:
    """How far a value lies outside of the range of the last 4,000, in widths of that range."""

    __slots__ = ("_count", "_highest", "_lowest", "high", "low")

    def __init__(self) -> None:
        self._highest, self._lowest = Peak(MEMORY), Peak(MEMORY)
        self.high = self.low = math.nan

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return self._highest, self._lowest

    @property
    def width(self) -> float:
        return self.high - self.low

    def push(self, value: float, origin: float) -> float:
        """1 at the edge, less inside; `value` counts from `origin`."""
        self.high, self.low = self._highest.greatest, -self._lowest.greatest
        is_known = self._highest.count >= LEAST_IN_RANGE
        self._highest.push(value)
        self._lowest.push(-value)
        if not is_known:
            return 0.0
        beyond = max(value - self.high, self.low - value)
        width = self.width
        if width == 0:
            if beyond == 0:
                return 0.0
            width = max(FLAT_PART * abs(self.high + origin), 1e-9)
        return 1 + beyond / width


class JumpChannel:
    """The step of the logarithm from one value to the next."""

    __slots__ = ("_peak", "before", "offset", "previous", "scale")

    def __init__(self) -> None:
        self._peak = Peak(MEMORY)
        # Counted from `offset` and widened by `scale`, so that there is a logarithm; taken from the
        # first 200 values that are not all the same.
        self.offset = self.scale = 0.0
        # The last value, and of the answer the one before it.
        self.previous = self.before = math.nan

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return (self._peak,)

    def push(self, value: float, recent: RecentValues, origin: float) -> float:
        """`value` is the true one, and the last of the `recent` ones."""
        self.before, self.previous = self.previous, value
        if self.scale > 0:
            step = abs(self._take_log(value) - self._take_log(self.before))
            return compare(step, self._peak)
        if recent.count % FIRST_VALUES == 0:
            self._learn(recent.latest[-FIRST_VALUES:].astype(np.float64) + origin)
        return 0.0

    def _take_log(self, value: float) -> float:
        return math.log(max(value - self.offset, 0.0) + self.scale)

    def _learn(self, values: Double) -> None:
        deviation = float(values.std())
        if deviation == 0:
            return
        self.offset = min(0.0, float(values.min()))
        self.scale = deviation / 10
        logs = [self._take_log(value) for value in values.tolist()]
        for before, after in itertools.pairwise(logs):
            self._peak.push(abs(after - before))


class ShiftChannel:
    """The mean of the last 10 values against that of the 200 before them."""

    __slots__ = ("_peak", "now", "then")

    def __init__(self) -> None:
        self._peak = Peak(MEMORY)
        self.now = self.then = math.nan

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return (self._peak,)

    def push(self, latest: Single, least: float) -> float:
        if len(latest) < SHIFTED + SETTLED:
            return 0.0
        self.now = average(latest[-SHIFTED:])
        self.then = average(latest[-SHIFTED - SETTLED : -SHIFTED])
        figure = abs(self.now - self.then)
        return compare(figure if figure > least else 0.0, self._peak)


class StretchChannel:
    """The last 96 values against the most similar 96 of the past (a discord)."""

    __slots__ = ("_alignments", "_peak")

    def __init__(self) -> None:
        self._peak = Peak(MEMORY)
        self._alignments = Alignments(MEMORY)

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return (self._peak,)

    @property
    def alignments(self) -> Alignments:
        return self._alignments

    def push(self, value: float, before: RecentValues, least: float) -> float:
        distance = self._alignments.push(value, before)
        if distance <= least * math.sqrt(STRETCH):
            distance = 0.0
        return compare(distance, self._peak)


class SeasonChannel:
    """The mean of the last 12 values against that of one day and of one week before."""

    __slots__ = ("_peaks", "lag", "now", "then")

    def __init__(self) -> None:
        self._peaks = (Peak(SEASONAL_MEMORY), Peak(SEASONAL_MEMORY))
        # Of the answer: how many values lie between `now` and `then`.
        self.lag = 0
        self.now = self.then = math.nan

    @property
    def peaks(self) -> tuple[Peak, ...]:
        return self._peaks

    def push(self, recent: RecentValues, interval_seconds: float, least: float) -> float:
        """0 until two days were seen; of day and week what is more unusual counts."""
        if interval_seconds <= 0 or not math.isfinite(interval_seconds):
            return 0.0
        day = round(DAY_SECONDS / interval_seconds)
        week = round(DAYS_IN_WEEK * DAY_SECONDS / interval_seconds)
        found = 0.0
        latest = recent.latest
        for lag, seen, peak in (
            (day, 2 * day, self._peaks[0]),
            (week, week, self._peaks[1]),
        ):
            if lag < SMOOTHED or recent.count <= seen or len(latest) < lag + SMOOTHED:
                continue
            now, then = average(latest[-SMOOTHED:]), average(latest[-SMOOTHED - lag : -lag])
            figure = abs(now - then)
            ratio = compare(figure if figure > least else 0.0, peak, LEAST_SEASONAL_FIGURES)
            if ratio > found:
                found, self.lag, self.now, self.then = ratio, lag, now, then
        return found
