"""What a result and its circumstances look like to a model: a row of named figures.

Every figure is known when the result is: it looks at that result, at those before it and at what
was going on beside it, never ahead. What was not measured is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Results before it that say what is usual, and how many of them are needed to say so.
WINDOW: Final = 50
LEAST_BEFORE: Final = 5
RECENT: Final = 5
MOST_METRICS: Final = 8
DAY_SECONDS, WEEK_SECONDS = 86_400.0, 604_800.0
CONTEXT: Final = "context"

PARTS: Final = ("value", "ratio", "deviation", "change", "trend", "spread", "rank")
CIRCUMSTANCES: Final = (
    "failed",
    "failed_before",
    "gap",
    "hour_sin",
    "hour_cos",
    "weekday_sin",
    "weekday_cos",
    "host_cpu",
    "host_memory",
    "host_load",
    "client_failing",
    "target_failing",
)
# Below, a difference of such a figure is none (of logarithms, of deviations, of shares).
PART_FLOORS: Final = {
    "ratio": 0.1,
    "deviation": 1.0,
    "trend": 0.1,
    "spread": 0.5,
    "rank": 0.25,
}
CIRCUMSTANCE_FLOOR: Final = 0.5
GAP_FLOOR: Final = 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of the results, and the least difference of it that means anything, in its unit."""

    key: str
    floor: float


@dataclass(frozen=True, slots=True)
class Observations:
    """Results of one test on one client, oldest first, with what went on beside them.

    `values` has a column a metric; `failed` is 1 for a result without success, else 0. `host` has
    processor and memory utilisation (0 to 1) and load average; the last two are the shares of
    other tests of the client, and of other clients with the test, that failed shortly before.
    """

    at: Floats
    values: Floats
    failed: Floats
    host: Floats
    client_failing: Floats
    target_failing: Floats

    def __len__(self) -> int:
        return int(self.at.shape[0])


def name_features(metrics: Sequence[Measured]) -> tuple[str, ...]:
    """The names of the columns of `build_features`, at least 26 for two metrics or more."""
    own = [f"{metric.key}:{part}" for metric in metrics for part in PARTS]
    return (*own, *(f"{CONTEXT}:{name}" for name in CIRCUMSTANCES))


def list_floors(metrics: Sequence[Measured]) -> Floats:
    """The least difference that means anything, of each feature."""
    own = [PART_FLOORS.get(part, metric.floor) for metric in metrics for part in PARTS]
    beside = [GAP_FLOOR if name == "gap" else CIRCUMSTANCE_FLOOR for name in CIRCUMSTANCES]
    return np.array([*own, *beside])


def find_subject(feature: str) -> str:
    """The metric that a feature is about; a circumstance is a subject of its own."""
    subject, part = feature.rsplit(":", 1)
    return f"{CONTEXT}:{part}" if subject == CONTEXT else subject


def find_keys(features: Sequence[str]) -> tuple[str, ...]:
    """The metrics that named features are about, in their order."""
    subjects = dict.fromkeys(find_subject(feature) for feature in features)
    return tuple(one for one in subjects if not one.startswith(f"{CONTEXT}:"))


def build_features(observations: Observations, metrics: Sequence[Measured]) -> Floats:
    """The features of each result: of shape (results, len(name_features(metrics))).

    A row depends on `WINDOW` results before it and on nothing older, so the rows of a part that
    begins so much earlier are the same.
    Raises: ValueError when the values have another number of columns.
    """
    if observations.values.shape != (len(observations), len(metrics)):
        raise ValueError(f"the results must have {len(metrics)} values each")
    own = [
        describe_metric(observations.values[:, place], metric.floor)
        for place, metric in enumerate(metrics)
    ]
    return np.hstack([*own, describe_circumstances(observations)])


def describe_metric(values: Floats, floor: float) -> Floats:
    """The parts of one metric in the order of `PARTS`, a column each."""
    before = look_back(values, WINDOW)
    recent = look_back(values, RECENT)
    middle, spread = measure_middle(before)
    recent_middle, recent_spread = measure_middle(recent, least=2)
    previous = recent[:, -1]
    known = np.isfinite(before).sum(axis=1)
    below = (before < values[:, np.newaxis]).sum(axis=1)
    equal = (before == values[:, np.newaxis]).sum(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        rank = np.where(known >= LEAST_BEFORE, (below + equal / 2) / np.maximum(known, 1), np.nan)
        rank[~np.isfinite(values)] = np.nan
        return np.column_stack(
            [
                values,
                compare(values, middle, floor),
                (values - middle) / np.maximum(spread, floor),
                values - previous,
                compare(recent_middle, middle, floor),
                np.log((recent_spread + floor) / (spread + floor)),
                rank,
            ]
        )


def look_back(values: Floats, count: int) -> Floats:
    """The `count` values before each, oldest first, NaN where there are none."""
    padded = np.concatenate([np.full(count, np.nan), values])
    windows: Floats = np.lib.stride_tricks.sliding_window_view(padded, count)[: values.size]
    return windows


def measure_middle(windows: Floats, least: int = LEAST_BEFORE) -> tuple[Floats, Floats]:
    """Median and spread (interquartile range, as a standard deviation) of each row's values.

    NaN of rows with fewer than `least` values.
    """
    ordered = np.sort(windows, axis=1)
    known = np.isfinite(windows).sum(axis=1)
    rows = np.arange(ordered.shape[0])
    quartiles = []
    for share in (0.25, 0.5, 0.75):
        place = share * np.maximum(known - 1, 0)
        low = np.floor(place).astype(np.intp)
        high = np.minimum(low + 1, np.maximum(known - 1, 0))
        part = place - low
        quartiles.append(ordered[rows, low] * (1 - part) + ordered[rows, high] * part)
    first, middle, third = (np.where(known >= least, one, np.nan) for one in quartiles)
    return middle, (third - first) / 1.349


def compare(values: Floats, usual: Floats, floor: float) -> Floats:
    """The logarithm of the ratio of magnitudes; what is below the floor counts as the floor."""
    return np.log((np.abs(values) + floor) / (np.abs(usual) + floor))


def describe_circumstances(observations: Observations) -> Floats:
    """A column for each of `CIRCUMSTANCES`."""
    failed_before = look_back(observations.failed, 2 * RECENT)
    known = np.isfinite(failed_before).sum(axis=1)
    share = np.where(known, np.nansum(failed_before, axis=1) / np.maximum(known, 1), np.nan)
    gaps = np.diff(observations.at, prepend=np.nan)
    usual_gap, _spread = measure_middle(look_back(gaps, WINDOW))
    hour = 2 * np.pi * (observations.at % DAY_SECONDS) / DAY_SECONDS
    weekday = 2 * np.pi * (observations.at % WEEK_SECONDS) / WEEK_SECONDS
    return np.column_stack(
        [
            observations.failed,
            share,
            compare(gaps, usual_gap, 1.0),
            np.sin(hour),
            np.cos(hour),
            np.sin(weekday),
            np.cos(weekday),
            observations.host,
            observations.client_failing,
            observations.target_failing,
        ]
    )
