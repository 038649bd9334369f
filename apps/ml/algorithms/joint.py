"""How unusual a result is as a whole: an isolation forest beside what principal components miss.

Both look at features that are centred, scaled and bounded. Each is measured by what it said of
most rows that it learned from; the larger one counts, in units of a threshold that rows set aside
have given (split conformal prediction), so that a score above 1 is as rare as was promised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from apps.ml.algorithms.features import CONTEXT, find_subject
from streamswarm_detect.trees import Forest, predict, read_forest

Floats = NDArray[np.float64]

# Deviations that count as no larger: one that was always the same and now is not would hide all.
FARTHEST: Final = 30.0
HOURS: Final = 24
HOUR_SECONDS: Final = 3600.0
MOST_SHOWN: Final = 5
LEAST_POINTS: Final = 1.0
# When no subject alone would make the result usual, the missed part is divided among them.
LEAST_EXPLAINED: Final = 10.0


class OtherFeaturesError(ValueError):
    """The rows have other features than the model learned from."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers between rows and scores: of the bulk of what each part said in training."""

    forest_middle: float
    forest_unit: float
    residual_unit: float
    threshold: float


@dataclass(frozen=True, slots=True)
class JointModel:
    """`used` are the places of the features that it looks at, in the order of the others.

    `usual` is of shape (24, features, 3): of each hour (UTC) the 5 %, 50 % and 95 % quantiles.
    """

    features: tuple[str, ...]
    used: NDArray[np.int64]
    centre: Floats
    scale: Floats
    components: Floats
    usual: Floats
    forest: Forest
    figures: Figures


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a metric or circumstance has to do with a score: in points of a hundred, maybe negative.

    `value` is what was measured, `low` to `high` what is usual at that hour; NaN where unknown.
    """

    subject: str
    points: float
    value: float
    low: float
    high: float


def read_joint(
    arrays: Mapping[str, NDArray[Any]], calibration: Mapping[str, Any], features: Sequence[str]
) -> JointModel:
    """The model in these arrays.

    Raises: ValueError, KeyError or TypeError for what is none.
    """
    used = np.asarray(arrays["used"], dtype=np.int64)
    count = used.size
    if not count or used.min() < 0 or used.max() >= len(features):
        raise ValueError("it uses features that it does not name")
    centre, scale, components = arrays["centre"], arrays["scale"], arrays["components"]
    if centre.shape != (count,) or scale.shape != (count,) or components.shape[1:] != (count,):
        raise ValueError("its scales do not fit its features")
    if arrays["usual"].shape != (HOURS, len(features), 3):
        raise ValueError("what it takes for usual does not fit its features")
    if not (np.isfinite(centre).all() and np.isfinite(components).all() and (scale > 0).all()):
        raise ValueError("its scales are no positive numbers")
    names = ("forest_middle", "forest_unit", "residual_unit", "threshold")
    figures = Figures(*(float(calibration[name]) for name in names))
    if not min(figures.forest_unit, figures.residual_unit, figures.threshold) > 0:
        raise ValueError("its units are no positive numbers")
    forest = read_forest(arrays, rule="isolation", feature_count=count)
    return JointModel(
        tuple(features), used, centre, scale, components, arrays["usual"], forest, figures
    )


def score_rows(model: JointModel, values: Floats, features: Sequence[str]) -> Floats:
    """How unusual each row is: not negative, and 1 at the edge of what is usual.

    What was not measured counts as usual.
    Raises: OtherFeaturesError when the rows are not of the features that it learned from.
    """
    if tuple(features) != model.features:
        raise OtherFeaturesError("the model was learned from other features")
    return score_scaled(model, standardise(model, values))


def standardise(model: JointModel, values: Floats) -> Floats:
    """The used features in units of their usual spread, 0 where nothing was measured."""
    return scale_rows(values[:, model.used], model.centre, model.scale)


def scale_rows(values: Floats, centre: Floats, scale: Floats) -> Floats:
    scaled = np.clip((values - centre) / scale, -FARTHEST, FARTHEST)
    return np.nan_to_num(scaled, nan=0.0)


def score_scaled(model: JointModel, scaled: Floats) -> Floats:
    return combine(model, scaled) / model.figures.threshold


def combine(model: JointModel, scaled: Floats) -> Floats:
    figures = model.figures
    isolated = (predict(model.forest, scaled)[:, 0] - figures.forest_middle) / figures.forest_unit
    missed = np.linalg.norm(find_missed(model.components, scaled), axis=1) / figures.residual_unit
    larger: Floats = np.maximum(isolated, missed)
    return larger


def find_missed(components: Floats, scaled: Floats) -> Floats:
    """What is left of each row when all that the components describe is taken away."""
    return scaled - (scaled @ components.T) @ components


def explain_row(model: JointModel, values: Floats, at: float) -> list[Contribution]:
    """What made one row's score, greatest first, at most five.

    The points of a subject are how much less of the score there would be, of a hundred, were all
    its features as usual; where none alone would change much, its share in what the components
    miss. `at` is Unix seconds, for what is usual at that hour.
    """
    scaled = standardise(model, values[np.newaxis])
    subjects = [find_subject(model.features[place]) for place in model.used]
    names = list(dict.fromkeys(subjects))
    groups = np.array([[subject == name for subject in subjects] for name in names])
    without = np.where(groups, 0.0, scaled)
    score = score_scaled(model, scaled)[0]
    points = 100.0 * (score - score_scaled(model, without)) / max(score, 1e-12)
    if points[points > 0].sum() < LEAST_EXPLAINED:
        missed = find_missed(model.components, scaled)[0] ** 2
        points = 100.0 * (groups @ missed) / max(missed.sum(), 1e-12)
    order = np.argsort(-points, kind="stable")[:MOST_SHOWN]
    return [
        describe_part(model, names[place], float(points[place]), values, at)
        for place in order
        if points[place] >= LEAST_POINTS
    ]


def describe_part(
    model: JointModel, subject: str, points: float, values: Floats, at: float
) -> Contribution:
    feature = subject if subject.startswith(f"{CONTEXT}:") else f"{subject}:value"
    place = model.features.index(feature)
    hour = int(at // HOUR_SECONDS) % HOURS
    low, _middle, high = model.usual[hour, place]
    return Contribution(subject, points, float(values[place]), float(low), float(high))
