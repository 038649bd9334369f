"""The next value of a metric by boosted trees over what was measured before it.

The trees say how far it will be from the last value, so that a level never seen before is no
reason for another shape, and trees that know nothing say the same as the dumb baseline. Its
interval is as wide as errors were at origins that rolled through the past (split conformal
prediction).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import (
    CONTEXT,
    Measured,
    Observations,
    build_features,
    find_keys,
    look_back,
    measure_middle,
    name_features,
)
from streamswarm_detect.trees import Forest, predict, read_forest

Floats = NDArray[np.float64]

KIND: Final = "prediction"
LAGS: Final = 6
LEVEL_WINDOW: Final = 12
LEVEL: Final = f"{CONTEXT}:level"
LAG_NAMES: Final = tuple(f"{CONTEXT}:lag_{number}" for number in range(1, LAGS + 1))
SHARES: Final = ("0.8", "0.95")


@dataclass(frozen=True, slots=True)
class NextModel:
    """`widths` are the distances that held 80 % and 95 % of values.

    `ratio` is its mean error at past origins, in units of that of the last value.
    """

    features: tuple[str, ...]
    forest: Forest
    widths: Mapping[str, float]
    ratio: float

    @property
    def key(self) -> str:
        """The metric whose next value it says."""
        return find_keys(self.features)[0]


def name_next_features(metrics: Sequence[Measured]) -> tuple[str, ...]:
    """The features of a result and its circumstances, and those of the way to it."""
    return (*name_features(metrics), *LAG_NAMES, LEVEL)


def build_next_features(observations: Observations, metrics: Sequence[Measured]) -> Floats:
    """A row for each result, known when that result is: what the next one is said by.

    The first of the metrics is the one that is said. Shape (results, names).
    """
    values = observations.values[:, 0]
    recent = np.column_stack([look_back(values, LEVEL_WINDOW)[:, 1:], values])
    level, _spread = measure_middle(recent)
    lags = np.column_stack([look_back(values, LAGS - 1), values])[:, ::-1]
    own = build_features(observations, metrics)
    return np.hstack([own, lags - level[:, np.newaxis], level[:, np.newaxis]])


def read_next(
    arrays: Mapping[str, NDArray[Any]], calibration: Mapping[str, Any], features: Sequence[str]
) -> NextModel:
    """The model in these arrays.

    Raises: ValueError, KeyError or TypeError for what is none.
    """
    names = tuple(features)
    if names[-1:] != (LEVEL,) or not find_keys(names):
        raise ValueError("it does not name its metric and level")
    widths = {share: float(calibration["widths"][share]) for share in SHARES}
    if not all(np.isfinite(width) and width >= 0 for width in widths.values()):
        raise ValueError("its intervals have no width")
    forest = read_forest(arrays, rule="sum", feature_count=len(names))
    return NextModel(names, forest, widths, float(calibration["ratio"]))


def say_next(model: NextModel, values: Floats, features: Sequence[str]) -> Floats:
    """The value after each row, NaN where there is no last one.

    Raises: ValueError for rows of other features than it learned from.
    """
    if tuple(features) != model.features:
        raise ValueError("the model was learned from other features")
    return find_last(values, features) + predict(model.forest, values)[:, 0]


def find_last(values: Floats, features: Sequence[str]) -> Floats:
    """The value of each row's own result, which is what the dumb baseline says of the next."""
    last: Floats = values[:, list(features).index(f"{find_keys(tuple(features))[0]}:value")]
    return last
