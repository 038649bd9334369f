"""What a model says of the results to come of a test on a client."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from apps.core.clock import read_now
from apps.metrics.catalogue import read_key
from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.features import WINDOW
from apps.ml.algorithms.next_values import (
    KIND,
    NextModel,
    Output,
    build_next_features,
    find_last,
    name_next_features,
    read_next,
    say_next,
)
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import NoModel
from apps.ml.models import ModelVersion
from apps.ml.selectors.champions import take_champion
from apps.ml.selectors.observations import list_measured, list_said, read_observations
from apps.tests.models import Assignment

Floats = NDArray[np.float64]
# Pauses between the newest results that say how far apart runs are.
PAUSES_LOOKED_AT = 12


@dataclass(frozen=True, slots=True)
class Prediction:
    """A value to come, `horizon` runs after the newest, and the interval that holds it with 80 %.

    `ratio` is the model's mean error at past origins, in units of that of the last value: less
    than 1. `row_count` results were learned from. `expected_at` goes by the usual pause of late.
    """

    key: str
    horizon: int
    value: float
    low: float
    high: float
    ratio: float
    row_count: int
    expected_at: datetime

    @property
    def saved_percent(self) -> float:
        """How much smaller than the last value's its errors were."""
        return 100 * (1 - self.ratio)


@dataclass(frozen=True, slots=True)
class Predictions:
    """All that the model in use says, the nearest of each headline first; after `last_at`.

    Of the headlines in `unlike` the newest value is outside of all that was learned from.
    """

    values: Sequence[Prediction]
    version: ModelVersion
    last_at: datetime
    unlike: tuple[str, ...] = ()


def build_next(artifact: Artifact) -> NextModel:
    """The model that answers; for `take_champion`."""
    return read_next(artifact.arrays, artifact.calibration, artifact.features)


def predict_next(assignment: Assignment) -> Predictions:
    """What is to come of the headlines of that test on that client, 1, 6 and 12 runs ahead.

    Only what the model says better than the last value does.
    Raises: NoModel when nothing was learned that beats the last value, or too little was measured
    of late.
    """
    kind = assignment.test.kind
    metrics, keys = list_measured(kind), list_said(kind)
    features = name_next_features(metrics, keys)
    scope = Scope("assignment", str(assignment.id))
    champion = take_champion(KIND, scope, build=build_next, features=features)
    recorded = read_observations(assignment, metrics, until=read_now(), most=WINDOW + 2)
    observations = recorded.observations
    if not len(observations):
        raise NoModel("There are too few recent results to say the next one by.")
    row = build_next_features(observations, metrics, keys)[-1:]
    last_at = datetime.fromtimestamp(observations.at[-1], tz=read_now().tzinfo)
    pause = timedelta(seconds=find_pause(observations.at))
    found, unlike = [], []
    for output in champion.model.outputs:
        if not output.knows(float(find_last(row, features, output.aim.key)[0])):
            unlike.append(output.aim.key)
            continue
        value = float(say_next(champion.model, output, row, features)[0])
        if np.isfinite(value):
            column = observations.values[:, [one.key for one in metrics].index(output.aim.key)]
            low, value, high = bound(output, value, column)
            found.append(
                Prediction(
                    key=output.aim.key,
                    horizon=output.aim.horizon,
                    value=value,
                    low=low,
                    high=high,
                    ratio=output.ratio,
                    row_count=champion.version.row_count,
                    expected_at=last_at + output.aim.horizon * pause,
                )
            )
    if not found:
        raise NoModel("The newest result is unlike all that was learned from, or not whole.")
    return Predictions(found, champion.version, last_at, tuple(dict.fromkeys(unlike)))


def find_pause(at: Floats) -> float:
    """The usual seconds between the newest results; 0 of a single one."""
    pauses = np.diff(at[-PAUSES_LOOKED_AT - 1 :])
    return float(np.median(pauses)) if pauses.size else 0.0


def bound(output: Output, value: float, measured: Floats) -> tuple[float, float, float]:
    """Low, value and high: what never was below nothing will not be, and no share is above all."""
    width = output.widths["0.8"]
    known = measured[np.isfinite(measured)]
    least = 0.0 if not (known < 0).any() else -np.inf
    key = read_key(output.aim.key)
    is_share = key is not None and key.metric.unit == "1" and not (known > 1).any()
    most = 1.0 if is_share and "ratio" in output.aim.key else np.inf
    edges = [float(np.clip(one, least, most)) for one in (value - width, value, value + width)]
    return edges[0], edges[1], edges[2]
