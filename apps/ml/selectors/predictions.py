"""What a model says of the next result of a test on a client."""

from dataclasses import dataclass

from apps.core.clock import read_now
from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.features import WINDOW
from apps.ml.algorithms.next_values import (
    KIND,
    NextModel,
    build_next_features,
    name_next_features,
    read_next,
    say_next,
)
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import NoModel
from apps.ml.selectors.champions import take_champion
from apps.ml.selectors.observations import list_measured, read_observations
from apps.tests.models import Assignment


@dataclass(frozen=True, slots=True)
class Prediction:
    """The next value of a metric, and the interval that holds it with 80 %.

    `ratio` is the model's mean error at past origins, in units of that of the last value: less
    than 1. `row_count` results were learned from.
    """

    key: str
    value: float
    low: float
    high: float
    ratio: float
    row_count: int

    @property
    def saved_percent(self) -> float:
        """How much smaller than the last value's its errors were."""
        return 100 * (1 - self.ratio)


def build_next(artifact: Artifact) -> NextModel:
    """The model that answers; for `take_champion`."""
    return read_next(artifact.arrays, artifact.calibration, artifact.features)


def predict_next(assignment: Assignment) -> Prediction:
    """The next value of the chief metric of that test on that client.

    Raises: NoModel when nothing was learned that beats the last value, or too little was measured
    of late.
    """
    metrics = list_measured(assignment.test.kind)
    features = name_next_features(metrics)
    scope = Scope("assignment", str(assignment.id))
    champion = take_champion(KIND, scope, build=build_next, features=features)
    recorded = read_observations(assignment, metrics, until=read_now(), most=WINDOW + 2)
    values = build_next_features(recorded.observations, metrics)[-1:]
    said = say_next(champion.model, values, features)
    if not said.size or said[0] != said[0]:
        raise NoModel("There are too few recent results to say the next one by.")
    is_positive = not (recorded.observations.values[:, 0] < 0).any()
    value, width = float(said[0]), champion.model.widths["0.8"]
    return Prediction(
        key=champion.model.key,
        value=value,
        # What never was below nothing will not be.
        low=max(value - width, 0.0) if is_positive else value - width,
        high=value + width,
        ratio=champion.model.ratio,
        row_count=champion.version.row_count,
    )
