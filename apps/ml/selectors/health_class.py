"""The learned class of a test on a client, which stands beside its rule score."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from apps.core.clock import read_now
from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.features import WINDOW, build_features, name_features
from apps.ml.algorithms.forward_labels import look_ahead
from apps.ml.algorithms.health import Band, find_band
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
from apps.ml.selectors.observations import list_measured, read_observations, tells_of_host
from apps.tests.models import Assignment

MOST_CONTRIBUTIONS = 5
# Enough for the hour up to the newest result of a run every ten seconds.
MOST_READ = 360 + WINDOW


@dataclass(frozen=True, slots=True)
class HealthClass:
    """Whether the goal will probably be missed in the hour ahead, how probably, and why.

    `contributions` are percentage points by metric or circumstance, largest first; `usual` is how
    often the goal was missed in what was learned from, and `incidents` how many outages those were.
    """

    is_at_risk: bool
    probability: float
    contributions: Mapping[str, float]
    usual: float
    incidents: int
    version_id: UUID


@dataclass(frozen=True, slots=True)
class ClassBeside:
    """The learned class of a test on a client beside its score of health.

    Without one `reason` says why. `agreement` compares both in words, empty where one is missing;
    `is_agreed` is false when they contradict each other.
    """

    found: HealthClass | None
    reason: str = ""
    agreement: str = ""
    is_agreed: bool = True


def find_class_beside(
    assignment: Assignment, score: int | None, *, shows_host: bool
) -> ClassBeside:
    """What the model says of the hour ahead, and whether the score of the hour before agrees.

    Without `shows_host` for who may not see the client: contributions of its host are left out.
    """
    try:
        found = find_health_class(assignment)
    except NoModel as error:
        return ClassBeside(None, error.detail)
    if not shows_host:
        points = {key: one for key, one in found.contributions.items() if not tells_of_host(key)}
        found = replace(found, contributions=points)
    if score is None:
        return ClassBeside(found)
    is_healthy = find_band(score) == Band.HEALTHY
    is_agreed = is_healthy is not found.is_at_risk
    return ClassBeside(found, "", compare(is_healthy, found.is_at_risk), is_agreed)


def compare(is_healthy: bool, is_at_risk: bool) -> str:  # noqa: FBT001 - the two things compared
    """The score looks at the hour before, the class at the one ahead: so both may be right."""
    if is_healthy and is_at_risk:
        return _(
            "They disagree: the score of the hour before is still healthy, but what was measured "
            "looks as it did before the goal was missed."
        )
    if not is_healthy and not is_at_risk:
        return _(
            "They disagree: the hour before costs points, but it looks as it did when the goal was "
            "kept in the hour after."
        )
    if is_at_risk:
        return _("They agree: the hour before costs points, and the goal will likely be missed.")
    return _("They agree: healthy, and the goal will likely be kept.")


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
    return HealthClass(
        is_at_risk=probability >= LIKELIER,
        probability=probability,
        contributions=largest,
        usual=champion.model.rate,
        incidents=champion.version.incident_count,
        version_id=champion.version.id,
    )
