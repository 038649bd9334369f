"""The scoring of the Numenta Anomaly Benchmark (v1.1, https://github.com/numenta/NAB), own code.

A detection inside a labelled window counts by how early it is, the best of a window alone; each one
outside costs. 0 is a detector that says nothing, 100 one that speaks where every window begins.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
Scores = Mapping[str, Numbers]

PROBATION_PART, PROBATION_ROWS = 0.15, 750
OUTSIDE, IN_PROBATION = -1, -2


@dataclass(frozen=True, slots=True)
class Profile:
    """What a hit, a false alarm and a missed window weigh."""

    name: str
    hit: float
    false_alarm: float
    miss: float


STANDARD = Profile("standard", 1, 0.11, 1)
LOW_FALSE_ALARMS = Profile("low FP", 1, 0.22, 1)
LOW_MISSES = Profile("low FN", 1, 0.11, 2)
PROFILES = (STANDARD, LOW_FALSE_ALARMS, LOW_MISSES)


@dataclass(frozen=True)
class LabelledSeries:
    """One file of the corpus; a window is its first and its last row."""

    name: str
    times: Sequence[datetime]
    values: Numbers
    windows: Sequence[tuple[int, int]]

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]

    @property
    def probation_rows(self) -> int:
        return min(math.floor(PROBATION_PART * len(self.values)), PROBATION_ROWS)

    @cached_property
    def weights(self) -> Numbers:
        """By row what a detection is worth: up to 1 inside of a window, down to -1 outside."""
        weights = np.full(len(self.values), -1.0)
        ends = [*(first for first, _last in self.windows), len(self.values)][1:]
        for (first, last), end in zip(self.windows, ends, strict=True):
            width = last - first + 1
            inside = np.arange(first, last + 1)
            weights[inside] = scale(-(last - inside + 1) / width) / scale(np.array(-1.0))
            beyond = np.arange(last + 1, end)
            weights[beyond] = scale((beyond - last) / (width - 1))
        return weights

    @cached_property
    def places(self) -> Whole:
        """By row the number of its window, or OUTSIDE, or IN_PROBATION."""
        places = np.full(len(self.values), OUTSIDE)
        for number, (first, last) in enumerate(self.windows):
            places[first : last + 1] = number
        places[: self.probation_rows] = IN_PROBATION
        return places


def scale(position: Numbers) -> Numbers:
    """NAB's sigmoid over the place in (negative) or after a window, in widths of it."""
    value: Numbers = 2 / (1 + np.exp(5 * np.minimum(position, 3.1))) - 1
    return np.where(position > 3, -1.0, value)


def read_corpus(folder: Path) -> list[LabelledSeries]:
    """All files that have labels, by name; `folder` is a copy of NAB's data and labels."""
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    return [read_series(folder, name, windows[name]) for name in sorted(windows)]


def read_series(folder: Path, name: str, windows: Sequence[Sequence[str]]) -> LabelledSeries:
    with (folder / "data" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [datetime.fromisoformat(row["timestamp"]) for row in rows]
    values = np.array([float(row["value"]) for row in rows])
    spans = [[times.index(datetime.fromisoformat(text)) for text in window] for window in windows]
    return LabelledSeries(name, times, values, [(first, last) for first, last in spans])


class Scorer:
    """Scores detections on some series of the corpus together."""

    def __init__(self, corpus: Sequence[LabelledSeries]) -> None:
        self._corpus = corpus
        self._kept = [series.places != IN_PROBATION for series in corpus]
        self.weights = np.concatenate(
            [series.weights[kept] for series, kept in zip(corpus, self._kept, strict=True)]
        )
        places, before = [], 0
        for series, kept in zip(corpus, self._kept, strict=True):
            own = series.places[kept]
            places.append(np.where(own >= 0, own + before, OUTSIDE))
            before += len(series.windows)
        self.places = np.concatenate(places)
        self.windows = before
        # A window that lies wholly in the probation can neither be hit nor missed.
        self.known = np.unique(self.places[self.places >= 0])

    def flatten(self, scores: Scores) -> Numbers:
        """The scores of all rows that count, in one column."""
        pairs = zip(self._corpus, self._kept, strict=True)
        return np.concatenate([scores[series.name][kept] for series, kept in pairs])

    def normalise(self, gained: float, profile: Profile) -> float:
        nothing = -profile.miss * len(self.known)
        return 100 * (gained - nothing) / (profile.hit * self.windows - nothing)

    def score(self, scores: Scores, threshold: float, profile: Profile = STANDARD) -> float:
        """From a most negative number to 100, with that threshold."""
        is_found = self.flatten(scores) >= threshold
        is_hit = is_found & (self.places >= 0)
        best = np.full(self.windows, -profile.miss, np.float64)
        np.maximum.at(best, self.places[is_hit], self.weights[is_hit] * profile.hit)
        outside = self.weights[is_found & (self.places == OUTSIDE)] * profile.false_alarm
        return self.normalise(float(best[self.known].sum() + outside.sum()), profile)

    def find_best(
        self, scores: Scores, profile: Profile = STANDARD, at_least: float = -math.inf
    ) -> tuple[float, float]:
        """The greatest score that any threshold gives, and that threshold; as NAB itself does."""
        column = self.flatten(scores)
        tried = np.flatnonzero(column >= at_least)
        order = tried[np.argsort(-column[tried], kind="stable")]
        best = [-profile.miss] * self.windows
        gained = -profile.miss * len(self.known)
        found = (gained, math.inf)
        before = math.inf
        rows = zip(*(a[order].tolist() for a in (column, self.places, self.weights)), strict=True)
        for level, place, weight in rows:
            if level != before and gained > found[0]:
                found = gained, before
            before = level
            if place == OUTSIDE:
                gained += weight * profile.false_alarm
            elif weight * profile.hit > best[place]:
                gained += weight * profile.hit - best[place]
                best[place] = weight * profile.hit
        if gained > found[0]:
            found = gained, before
        return self.normalise(found[0], profile), found[1]
