"""The probability that a test misses its goal within the hour, by a random forest, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import CONTEXT, find_subject
from streamswarm_detect.trees import Forest, explain, predict, read_forest

Floats = NDArray[np.float64]

KIND: Final = "health_class"
# The share of failures in the hour up to a result; the last of the features.
NOW: Final = f"{CONTEXT}:failed_in_hour"
OUTPUTS: Final = 2
LIKELIER: Final = 0.5


@dataclass(frozen=True, slots=True)
class ClassModel:
    """`rate` is how often the goal was missed in what it learned from."""

    features: tuple[str, ...]
    forest: Forest
    rate: float


def read_class(
    arrays: Mapping[str, NDArray[Any]], calibration: Mapping[str, Any], features: Sequence[str]
) -> ClassModel:
    """The model in these arrays.

    Raises: ValueError, KeyError or TypeError for what is none.
    """
    names = tuple(features)
    forest = read_forest(arrays, rule="mean", feature_count=len(names))
    rate = float(calibration["rate"])
    if names[-1:] != (NOW,) or forest.output_count != OUTPUTS or not 0 < rate < 1:
        raise ValueError("it is no model of two classes over these features")
    return ClassModel(names, forest, rate)


def say_probability(model: ClassModel, values: Floats, features: Sequence[str]) -> Floats:
    """The probability, 0 to 1, that the goal is missed in the hour after each row.

    Raises: ValueError for rows of other features than it learned from.
    """
    if tuple(features) != model.features:
        raise ValueError("the model was learned from other features")
    probabilities: Floats = predict(model.forest, values)[:, 1]
    return probabilities


def explain_probability(model: ClassModel, values: Floats) -> dict[str, float]:
    """What each subject added to the probability of one row, in percentage points.

    All of them and the rate of the trees' roots sum up to the probability.
    """
    added = explain(model.forest, values[np.newaxis]).contributions[0, :, 1]
    points: dict[str, float] = {}
    for feature, one in zip(model.features, added.tolist(), strict=True):
        subject = find_subject(feature)
        points[subject] = points.get(subject, 0.0) + 100 * one
    return dict(sorted(points.items(), key=lambda item: -abs(item[1])))
