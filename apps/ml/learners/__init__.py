"""The kinds of models there are; a new one is a module of this folder and a line of this table."""

from collections.abc import Mapping

from apps.core.errors import FieldError, Invalid
from apps.ml.learners.base import Learner
from apps.ml.learners.health_class import HealthClassLearner
from apps.ml.learners.joint_anomaly import JointAnomalyLearner
from apps.ml.learners.prediction import PredictionLearner

LEARNERS: Mapping[str, Learner] = {
    "health_class": HealthClassLearner(),
    "joint_anomaly": JointAnomalyLearner(),
    "prediction": PredictionLearner(),
}


def find_learner(kind: str) -> Learner:
    """Raises: Invalid for a kind that nobody learns."""
    learner = LEARNERS.get(kind)
    if learner is None:
        raise Invalid([FieldError("kind", "unknown_kind", f"must be one of {', '.join(LEARNERS)}")])
    return learner
