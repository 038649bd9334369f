"""Judging a series one value at a time, by nothing but its own past.

Source: the five channels, their weights and the rule of the local record were compared on the
Numenta Anomaly Benchmark (`benchmarks/anomaly_nab.py`; docs/apps/ml.md says what differs and why).
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from apps.ml.algorithms.series.alignments import STRETCH
from apps.ml.algorithms.series.channels import (
    MEMORY,
    ROUNDING,
    SEASONAL_MEMORY,
    SHIFTED,
    JumpChannel,
    RangeChannel,
    SeasonChannel,
    ShiftChannel,
    StretchChannel,
)
from apps.ml.algorithms.series.peaks import Peak
from apps.ml.algorithms.series.recent import RecentValues

RANGE, JUMP, SHIFT, STRETCHES, SEASON = CHANNELS = ("range", "jump", "shift", "discord", "season")
WEIGHTS: Final = (1.0, 0.8, 0.9, 1.0, 0.8)
THRESHOLD: Final = 1.02
# Only what exceeds so many values before it is a news.
RECORD_OF: Final = 80
LEARNING_VALUES: Final = 200
INTERVAL_FROM: Final = 50
# Times are remembered of every 80th value.
TIMES_EVERY: Final = 80
GREATEST_SCORE: Final = 100.0
GREATEST_VALUE: Final = 1e37

Levels = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How unusual a value is: 1 is as unusual as ever; NaN when there was no value.

    A score above 1 is given only to a local record, so that one event speaks once. From 1 on
    `channel` says what is unusual, and `figures` holds what its sentence needs.
    """

    score: float
    channel: str = ""
    figures: dict[str, float] = field(default_factory=dict)


NOTHING = Verdict(math.nan)


class SeriesDetector:
    """The state of one series: at most 32 kB when it is stored, whatever comes.

    `interval_seconds` is the time between two values; without it, it is the median of the first 50.
    """

    __slots__ = (
        "_jump", "_range", "_record", "_season", "_shift", "_stretch",
        "gaps", "interval_seconds", "last_at", "levels", "origin", "recent", "times",
    )  # fmt: skip

    def __init__(self, interval_seconds: float = 0.0) -> None:
        self.interval_seconds = interval_seconds
        self.last_at = self.origin = math.nan
        self.recent = RecentValues(MEMORY)
        self.gaps: list[float] = []
        self.times: list[float] = []
        # What each channel said of the last value, before weighing.
        self.levels: Levels = (0.0, 0.0, 0.0, 0.0, 0.0)
        self._range, self._jump, self._shift = RangeChannel(), JumpChannel(), ShiftChannel()
        self._stretch, self._season = StretchChannel(), SeasonChannel()
        self._record = Peak(RECORD_OF)

    @property
    def count(self) -> int:
        """How many values were judged."""
        return self.recent.count

    @property
    def peaks(self) -> tuple[Peak, ...]:
        channels = (self._range, self._jump, self._shift, self._stretch, self._season)
        return (self._record, *(peak for channel in channels for peak in channel.peaks))

    @property
    def jump(self) -> JumpChannel:
        return self._jump

    @property
    def stretch(self) -> StretchChannel:
        return self._stretch

    def observe_all(self, values: Iterable[tuple[float, float]]) -> list[Verdict]:
        """The verdict on each (Unix seconds, value), in their order; as one after the other."""
        observe = self.observe
        return [observe(at, value) for at, value in values]

    def observe(self, at: float, value: float) -> Verdict:
        """The verdict on the next value; NaN and infinite ones change nothing.

        Values count in the order they come; their times only say how long things last.
        """
        if not math.isfinite(value):
            return NOTHING
        value = min(max(value, -GREATEST_VALUE), GREATEST_VALUE)
        if self.count == 0:
            self.origin = value
        self._note_time(at)
        levels = self.levels = self._measure(value)
        weighted = [weight * level for weight, level in zip(WEIGHTS, levels, strict=True)]
        most = max(weighted)
        is_record = not self._record.greatest >= most
        self._record.push(most)
        score = min(most, GREATEST_SCORE)
        if not (is_record and self.count > LEARNING_VALUES):
            score = min(score, 1.0)
        if score < 1:
            return Verdict(score)
        number = weighted.index(most)
        return Verdict(score, CHANNELS[number], self._describe(CHANNELS[number], levels[number]))

    def _measure(self, value: float) -> Levels:
        # Relative values keep the digits that a level of 1e12 would take from a float32.
        relative = float(np.float32(value - self.origin))
        in_range = self._range.push(relative, self.origin)
        width = self._range.width
        least = ROUNDING * width if width > 0 else 0.0
        stretch = self._stretch.push(relative, self.recent, least)
        self.recent.append(relative)
        return (
            in_range,
            self._jump.push(value, self.recent, self.origin),
            self._shift.push(self.recent.latest, least),
            stretch,
            self._season.push(self.recent, self.interval_seconds, least),
        )

    def _note_time(self, at: float) -> None:
        if self.interval_seconds <= 0 and self.count < INTERVAL_FROM:
            if at > self.last_at:
                self.gaps.append(at - self.last_at)
            if self.count == INTERVAL_FROM - 1 and self.gaps:
                self.interval_seconds = statistics.median(self.gaps)
                self.gaps.clear()
        if self.count % TIMES_EVERY == 0:
            self.times.append(at)
            del self.times[: -MEMORY // TIMES_EVERY - 1]
        self.last_at = at

    def _describe(self, channel: str, level: float) -> dict[str, float]:
        season, shift, interval = self._season, self._shift, self.interval_seconds
        figures = {"ratio": level, "span_seconds": self._measure_span(channel)}
        if channel == RANGE:
            low, high = self._range.low + self.origin, self._range.high + self.origin
            figures |= {"low": low, "high": high}
        elif channel == JUMP:
            figures["before"] = self._jump.before
        elif channel == SHIFT:
            figures |= {"now": shift.now + self.origin, "before": shift.then + self.origin}
            figures["window_seconds"] = SHIFTED * interval
        elif channel == STRETCHES:
            figures["window_seconds"] = STRETCH * interval
        elif channel == SEASON:
            figures |= {"now": season.now + self.origin, "before": season.then + self.origin}
            figures["lag_seconds"] = season.lag * interval
        return figures

    def _measure_span(self, channel: str) -> float:
        """Seconds over which the channel remembers what was greatest."""
        parts = (SEASONAL_MEMORY if channel == SEASON else MEMORY) // TIMES_EVERY
        return max(0.0, self.last_at - self.times[-parts:][0])
