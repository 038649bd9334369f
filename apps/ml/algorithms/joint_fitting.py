"""Fitting of the joint model (`algorithms/joint.py`); imports scikit-learn by itself."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import CONTEXT, DAY_SECONDS, WEEK_SECONDS
from apps.ml.algorithms.flattening import flatten_isolation
from apps.ml.algorithms.joint import HOUR_SECONDS, HOURS, find_missed, scale_rows
from streamswarm_detect.trees import predict, read_forest

Floats = NDArray[np.float64]

TREES: Final = 100
# The share of usual results that may be called unusual.
PROMISED_RATE: Final = 0.01
# Every fourth of so many blocks of neighbours is set aside for the threshold.
BLOCKS: Final = 20
SET_ASIDE: Final = 4
KEPT_VARIANCE: Final = 0.9
BULK: Final = 0.99
QUANTILES: Final = (0.05, 0.5, 0.95)
# Fewer of an hour say less than those of the whole day.
LEAST_OF_HOUR: Final = 20
TRIM: Final = (0.02, 0.98)
TINY: Final = 1e-6
# How much has to be seen before a figure of the clock says anything.
CLOCKS: Final = {
    f"{CONTEXT}:{clock}_{part}": rounds * seconds
    for clock, seconds, rounds in (("hour", DAY_SECONDS, 2), ("weekday", WEEK_SECONDS, 2))
    for part in ("sin", "cos")
}


@dataclass(frozen=True, slots=True)
class Fitted:
    arrays: Mapping[str, NDArray[Any]]
    calibration: Mapping[str, float]


def fit_joint(
    values: Floats, at: Floats, *, features: Sequence[str], floors: Floats, seed: int
) -> Fitted:
    """The joint model of these rows, oldest first.

    `floors` are the least differences of each feature that mean anything: what never changed is
    kept in that unit, because its first change is the news. Features never measured are left out.
    Raises: ValueError when nothing at all was measured.
    """
    used = find_used(values, at, features)
    if not used.size:
        raise ValueError("nothing was measured that could be learned from")
    is_aside = set_aside(len(values))
    centre, scale = measure_scales(values[:, used][~is_aside], floors[used])
    scaled = scale_rows(values[:, used], centre, scale)
    learned, aside = scaled[~is_aside], scaled[is_aside]
    components = find_components(learned)
    arrays = fit_forest(learned, seed)
    forest = read_forest(arrays, rule="isolation", feature_count=used.size)
    isolated = predict(forest, scaled)[:, 0]
    missed = np.linalg.norm(find_missed(components, scaled), axis=1)
    middle = float(np.median(isolated[~is_aside]))
    forest_unit = max(float(np.quantile(isolated[~is_aside], BULK)) - middle, TINY)
    residual_unit = max(float(np.quantile(missed[~is_aside], BULK)), 1.0)
    combined = np.maximum((isolated - middle) / forest_unit, missed / residual_unit)
    threshold = max(find_conformal_quantile(combined[is_aside], PROMISED_RATE), TINY)
    marginal = np.abs(aside).max(axis=1)
    return Fitted(
        {
            **arrays,
            "used": used.astype(np.int64),
            "centre": centre,
            "scale": scale,
            "components": components,
            "usual": describe_usual(values, at),
        },
        {
            "forest_middle": middle,
            "forest_unit": forest_unit,
            "residual_unit": residual_unit,
            "threshold": threshold,
            "marginal_threshold": max(find_conformal_quantile(marginal, PROMISED_RATE), TINY),
            "promised_rate": PROMISED_RATE,
            "set_aside": float(np.count_nonzero(is_aside)),
        },
    )


def find_used(values: Floats, at: Floats, features: Sequence[str]) -> NDArray[np.int64]:
    """The places of features that were ever measured and of which every value was seen.

    Of two days no hour is news, of two weeks no day of the week; before that each would be.
    """
    span_seconds = at[-1] - at[0]
    is_used = np.count_nonzero(np.isfinite(values), axis=0) > 0
    for place, feature in enumerate(features):
        needed_seconds = CLOCKS.get(feature, 0.0)
        is_used[place] &= span_seconds >= needed_seconds
    return np.flatnonzero(is_used)


def set_aside(count: int) -> NDArray[np.bool_]:
    """The rows that give the threshold: whole blocks, because neighbours know of each other."""
    block = np.arange(count) * min(BLOCKS, max(count, 1)) // max(count, 1)
    aside: NDArray[np.bool_] = block % SET_ASIDE == SET_ASIDE - 1
    return aside


def find_conformal_quantile(scores: Floats, rate: float) -> float:
    """The score that a new row of the same kind exceeds with at most this probability.

    With fewer than 1 / rate scores that cannot be promised, and it is the greatest of them.
    Source: Lei and others, Distribution-Free Predictive Inference (2018).
    Raises: ValueError without scores.
    """
    if not scores.size:
        raise ValueError("there are too few rows to set some aside for the threshold")
    rank = int(np.ceil((scores.size + 1) * (1 - rate)))
    return float(np.sort(scores)[min(rank, scores.size) - 1])


def measure_scales(values: Floats, floors: Floats) -> tuple[Floats, Floats]:
    """Median and standard deviation of each feature without its extremes, NaN left out."""
    with warnings.catch_warnings():
        # A feature that none of these rows has stays at 0, in units of its floor.
        warnings.simplefilter("ignore", RuntimeWarning)
        centre = np.nanmedian(values, axis=0)
        low, high = np.nanquantile(values, TRIM, axis=0)
        spread = np.nanstd(np.clip(values, low, high), axis=0)
    scale = np.fmax(spread, floors)
    return np.nan_to_num(centre), np.where(scale > 0, scale, 1.0)


def find_components(scaled: Floats) -> Floats:
    """The directions that hold 90 % of the variance about the centre: (directions, features)."""
    _left, sizes, directions = np.linalg.svd(scaled, full_matrices=False)
    energy = np.cumsum(sizes**2)
    if not energy[-1] > 0:
        return np.zeros((0, scaled.shape[1]))
    count = int(np.searchsorted(energy, KEPT_VARIANCE * energy[-1])) + 1
    return np.ascontiguousarray(directions[:count])


def fit_forest(scaled: Floats, seed: int) -> dict[str, NDArray[Any]]:
    # Only the worker that trains pays the seconds and the memory of this import.
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=TREES, random_state=seed, n_jobs=1)
    return flatten_isolation(model.fit(scaled))


def describe_usual(values: Floats, at: Floats) -> Floats:
    """The quantiles of each feature by hour of the day (UTC), of all where an hour has few."""
    usual = np.empty((HOURS, values.shape[1], len(QUANTILES)))
    hour = (at // HOUR_SECONDS).astype(np.int64) % HOURS
    with warnings.catch_warnings():
        # What was never measured has no quantiles.
        warnings.simplefilter("ignore", RuntimeWarning)
        usual[:] = np.nanquantile(values, QUANTILES, axis=0).T
        for one in range(HOURS):
            of_hour = values[hour == one]
            if len(of_hour) >= LEAST_OF_HOUR:
                usual[one] = np.nanquantile(of_hour, QUANTILES, axis=0).T
    return usual
