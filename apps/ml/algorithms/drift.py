"""Whether what a model sees is still what it learned from.

Each feature is compared by the population stability index over ten bins of the reference's
quantiles and one for what is missing; what the model says by the Kolmogorov-Smirnov distance.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS: Final = 10
# Convention of credit scoring (Siddiqi 2006), not theory.
WATCHED, DRIFTED = 0.10, 0.25
MOST_DRIFTED_SHARE: Final = 0.30
# Below, the index is large by chance alone.
LEAST_ROWS: Final = 500
MOST_OUTPUTS: Final = 2000
# A bin that nobody is in counts as half a row.
HALF_ROW: Final = 0.5
KS_ALPHA: Final = 0.01


class DriftLevel(StrEnum):
    STABLE = "stable"
    WATCH = "watch"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model learned from, and some of what it said of it, in order.

    `edges` is of shape (features, 9), `counts` (features, 11), the last one of missing values.
    """

    edges: Floats
    counts: Floats
    outputs: Floats


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the features (by their order) and the outputs have moved, over how many rows."""

    rows: int
    indices: tuple[float, ...]
    distance: float
    is_distance_significant: bool

    @property
    def levels(self) -> tuple[DriftLevel, ...]:
        return tuple(name_level(index) for index in self.indices)

    @property
    def drifted_share(self) -> float:
        drifted = sum(level == DriftLevel.DRIFT for level in self.levels)
        return drifted / len(self.indices) if self.indices else 0.0

    @property
    def is_drifted(self) -> bool:
        return self.drifted_share > MOST_DRIFTED_SHARE


def name_level(index: float) -> DriftLevel:
    if index > DRIFTED:
        return DriftLevel.DRIFT
    return DriftLevel.WATCH if index >= WATCHED else DriftLevel.STABLE


def describe_reference(values: Floats, outputs: Floats) -> Reference:
    """What is kept of the rows (rows, features) that were learned from, and of their outputs."""
    shares = np.arange(1, BINS) / BINS
    edges = np.zeros((values.shape[1], BINS - 1))
    for column in range(values.shape[1]):
        known = values[:, column][np.isfinite(values[:, column])]
        if known.size:
            edges[column] = np.quantile(known, shares)
    flat = np.sort(outputs.reshape(outputs.shape[0], -1)[:, -1])
    step = max(1, -(-flat.size // MOST_OUTPUTS))
    return Reference(edges, count_bins(values, edges), flat[::step].copy())


def count_bins(values: Floats, edges: Floats) -> Floats:
    """How many rows lie in each bin of each feature, those not measured in the last one."""
    counts = np.zeros((values.shape[1], BINS + 1))
    for column in range(values.shape[1]):
        known = values[:, column][np.isfinite(values[:, column])]
        places = np.searchsorted(edges[column], known, side="left")
        counts[column, :BINS] = np.bincount(places, minlength=BINS)
        counts[column, BINS] = values.shape[0] - known.size
    return counts


def measure_index(reference: Floats, counts: Floats) -> float:
    """The population stability index of two histograms over the same bins; 0 is the same."""
    used = (reference > 0) | (counts > 0)
    before = np.maximum(reference[used], HALF_ROW)
    now = np.maximum(counts[used], HALF_ROW)
    before, now = before / before.sum(), now / now.sum()
    return float(np.sum((now - before) * np.log(now / before)))


def measure_distance(first: Floats, second: Floats) -> float:
    """The Kolmogorov-Smirnov distance of two samples: 0 the same, 1 apart."""
    first, second = np.sort(first), np.sort(second)
    both = np.concatenate([first, second])
    shares = [np.searchsorted(one, both, side="right") / one.size for one in (first, second)]
    return float(np.max(np.abs(shares[0] - shares[1])))


def find_critical_distance(first: int, second: int) -> float:
    """The distance that samples of one kind exceed once in a hundred times."""
    return float(np.sqrt(-np.log(KS_ALPHA / 2) / 2 * (first + second) / (first * second)))


def measure_drift(reference: Reference, values: Floats, outputs: Floats) -> Drift | None:
    """How far these rows and outputs are from the reference.

    None when either holds fewer than `LEAST_ROWS` rows: then the index says nothing.
    """
    seen = reference.counts[0].sum() if reference.counts.size else 0.0
    if min(seen, values.shape[0]) < LEAST_ROWS or not reference.outputs.size:
        return None
    counts = count_bins(values, reference.edges)
    pairs = zip(reference.counts, counts, strict=True)
    said = outputs.reshape(outputs.shape[0], -1)[:, -1]
    distance = measure_distance(reference.outputs, said)
    critical = find_critical_distance(reference.outputs.size, said.size)
    return Drift(
        rows=values.shape[0],
        indices=tuple(measure_index(before, now) for before, now in pairs),
        distance=distance,
        is_distance_significant=distance > critical,
    )
