"""The values to come of a test's headlines, by boosted trees over what was measured before them.

Each headline and each distance ahead has trees of its own (direct forecasting): they say how far
the value will be from the last one, so that a level never seen before is no reason for another
shape, and trees that know nothing say the same as the dumb baseline. An interval is as wide as
errors were at origins that rolled through the past (split conformal prediction).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import (
    Measured,
    Observations,
    build_features,
    look_back,
    measure_middle,
    name_features,
)
from streamswarm_detect.trees import Forest, predict, read_forest

Floats = NDArray[np.float64]

KIND: Final = "prediction"
# How many runs ahead, and of how many headlines at most.
HORIZONS: Final = (1, 6, 12)
MOST_SAID: Final = 3
LAGS: Final = 6
LEVEL_WINDOW: Final = 12
LEVEL: Final = "level"
LAG_NAMES: Final = tuple(f"lag_{number}" for number in range(1, LAGS + 1))
SHARES: Final = ("0.8", "0.95")
# So much of the range of what it learned from a value may lie outside of it.
SEEN_ROOM: Final = 0.1


@dataclass(frozen=True, slots=True)
class Aim:
    """What is said: the value of a metric so many runs ahead."""

    key: str
    horizon: int


@dataclass(frozen=True, slots=True)
class Output:
    """The trees of one aim: those from `begin` to `end`, with their base.

    `widths` are the distances that held 80 % and 95 % of values; `ratio` is the mean error at past
    origins, in units of that of the last value.
    """

    aim: Aim
    begin: int
    end: int
    base: float
    widths: Mapping[str, float]
    ratio: float
    # The least and greatest last value that it learned from.
    seen: tuple[float, float]

    def knows(self, last: float) -> bool:
        """Whether it learned from values like this one; of others it has nothing to say."""
        room = SEEN_ROOM * (self.seen[1] - self.seen[0])
        return self.seen[0] - room <= last <= self.seen[1] + room


@dataclass(frozen=True, slots=True)
class NextModel:
    """The outputs whose trees were better than the last value, the nearest of each metric first."""

    features: tuple[str, ...]
    forest: Forest
    outputs: tuple[Output, ...]

    @property
    def ratio(self) -> float:
        """That of its first output."""
        return self.outputs[0].ratio


def list_aims(keys: Sequence[str]) -> tuple[Aim, ...]:
    """Everything that may be said of these metrics, in the order of targets and outputs."""
    return tuple(Aim(key, horizon) for key in keys for horizon in HORIZONS)


def name_next_features(metrics: Sequence[Measured], said: Sequence[str]) -> tuple[str, ...]:
    """The features of a result and its circumstances, and those of the way of what is said."""
    own = [f"{key}:{part}" for key in said for part in (*LAG_NAMES, LEVEL)]
    return (*name_features(metrics), *own)


def find_said(features: Sequence[str]) -> tuple[str, ...]:
    """The metrics that are said by these features, in their order."""
    ending = f":{LEVEL}"
    return tuple(name.removesuffix(ending) for name in features if name.endswith(ending))


def build_next_features(
    observations: Observations, metrics: Sequence[Measured], said: Sequence[str]
) -> Floats:
    """A row for each result, known when that result is: what is to come is said by it.

    Shape (results, names).
    Raises: ValueError when one of the metrics that are said is not measured.
    """
    keys = [metric.key for metric in metrics]
    ways = [describe_way(observations.values[:, keys.index(key)]) for key in said]
    return np.hstack([build_features(observations, metrics), *ways])


def describe_way(values: Floats) -> Floats:
    """The newest values as distances from the recent level, and that level."""
    recent = np.column_stack([look_back(values, LEVEL_WINDOW)[:, 1:], values])
    level, _spread = measure_middle(recent)
    lags = np.column_stack([look_back(values, LAGS - 1), values])[:, ::-1]
    return np.column_stack([lags - level[:, np.newaxis], level])


def build_targets(
    observations: Observations, metrics: Sequence[Measured], aims: Sequence[Aim]
) -> Floats:
    """What came of each aim after each result: shape (results, aims), NaN where nothing did."""
    keys = [metric.key for metric in metrics]
    targets = np.full((len(observations), len(aims)), np.nan)
    for place, aim in enumerate(aims):
        ahead = observations.values[aim.horizon :, keys.index(aim.key)]
        targets[: ahead.size, place] = ahead
    return targets


def read_next(
    arrays: Mapping[str, NDArray[Any]], calibration: Mapping[str, Any], features: Sequence[str]
) -> NextModel:
    """The model in these arrays.

    Raises: ValueError, KeyError or TypeError for what is none.
    """
    names = tuple(features)
    said = find_said(names)
    if not said:
        raise ValueError("it does not name the levels of what it says")
    forest = read_forest(arrays, rule="sum", feature_count=len(names))
    outputs = tuple(read_output(one, said) for one in calibration["outputs"])
    ends = [output.end for output in outputs]
    begins = [output.begin for output in outputs]
    if not outputs or begins != [0, *ends[:-1]] or ends[-1] != forest.roots.size:
        raise ValueError("its outputs do not share its trees among them")
    return NextModel(names, forest, outputs)


def read_output(written: Mapping[str, Any], said: Sequence[str]) -> Output:
    """Raises: ValueError, KeyError or TypeError."""
    aim = Aim(str(written["key"]), int(written["horizon"]))
    widths = {share: float(written["widths"][share]) for share in SHARES}
    base, ratio = float(written["base"]), float(written["ratio"])
    if aim.key not in said or aim.horizon < 1:
        raise ValueError("it says something that its features do not")
    if not all(np.isfinite(width) and width >= 0 for width in widths.values()):
        raise ValueError("its intervals have no width")
    begin, end = int(written["begin"]), int(written["end"])
    least, most = (float(one) for one in written["seen"])
    if not begin < end or not np.isfinite([base, ratio, least, most]).all():
        raise ValueError("one of its outputs has no trees or no figures")
    return Output(aim, begin, end, base, widths, ratio, (least, most))


def say_next(model: NextModel, output: Output, values: Floats, features: Sequence[str]) -> Floats:
    """The value that comes after each row, NaN where there is no last one.

    Raises: ValueError for rows of other features than it learned from.
    """
    if tuple(features) != model.features:
        raise ValueError("the model was learned from other features")
    own = replace(
        model.forest,
        roots=model.forest.roots[output.begin : output.end],
        base=np.array([output.base]),
    )
    return find_last(values, features, output.aim.key) + predict(own, values)[:, 0]


def find_last(values: Floats, features: Sequence[str], key: str) -> Floats:
    """The value of each row's own result, which is what the dumb baseline says of what comes."""
    last: Floats = values[:, list(features).index(f"{key}:value")]
    return last


def find_level(values: Floats, features: Sequence[str], key: str) -> Floats:
    """The recent level of each row; NaN where there were too few values."""
    level: Floats = values[:, list(features).index(f"{key}:{LEVEL}")]
    return level
