"""The learned class of a test on a client, which stands beside its rule score."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from apps.core.clock import read_now
from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.features import WINDOW, build_features, name_features
from apps.ml.algorithms.forward_labels import look_ahead
from apps.ml.algorithms.health_class import (
    KIND,
    LIKELIER,
    NOW,
    ClassModel,
    explain_probability,
    read_class,
    say_probability,
)
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import NoModel
from apps.ml.selectors.champions import take_champion
from apps.ml.selectors.observations import list_measured, read_observations
from apps.tests.models import Assignment

MOST_CONTRIBUTIONS = 5
# Enough for the hour up to the newest result of a run every ten seconds.
MOST_READ = 360 + WINDOW


@dataclass(frozen=True, slots=True)
class HealthClass:
    """Whether the goal will probably be missed in the hour ahead, how probably, and why.

    `contributions` are percentage points by metric or circumstance, largest first; `incidents` is
    how many were learned from.
    """

    is_at_risk: bool
    probability: float
    contributions: Mapping[str, float]
    incidents: int


def build_class(artifact: Artifact) -> ClassModel:
    """The model that answers; for `take_champion`."""
    return read_class(artifact.arrays, artifact.calibration, artifact.features)


def find_health_class(assignment: Assignment) -> HealthClass:
    """What the model of the test says of the newest result of this client.

    Raises: NoModel when nothing was learned that beats the baselines, or nothing was measured.
    """
    metrics = list_measured(assignment.test.kind)
    features = (*name_features(metrics), NOW)
    scope = Scope("test", str(assignment.test_id))
    champion = take_champion(KIND, scope, build=build_class, features=features)
    recorded = read_observations(assignment, metrics, until=read_now(), most=MOST_READ)
    observations = recorded.observations
    if not len(observations):
        raise NoModel("Nothing was measured yet that the model could judge.")
    now = look_ahead(observations.at, observations.failed).now
    row = np.append(build_features(observations, metrics)[-1], now[-1])
    probability = float(say_probability(champion.model, row[np.newaxis], features)[0])
    points = explain_probability(champion.model, row)
    largest = dict(list(points.items())[:MOST_CONTRIBUTIONS])
    incidents = champion.version.incident_count
    return HealthClass(probability >= LIKELIER, probability, largest, incidents)
