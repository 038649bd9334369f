"""How far each kind of model is for each scope, and whether it is time to learn anew."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db.models import Count, Q

from apps.core.clock import read_now
from apps.core.errors import StreamSwarmError
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.triggers import Situation, Trigger, find_trigger
from apps.ml.learners import LEARNERS
from apps.ml.learners.base import Learner
from apps.ml.models import Feedback, ModelVersion, Training
from apps.ml.services.trainings import start_training

# Trainings that one look may ask for; they run one after the other.
MOST_STARTED = 20

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A kind of model and a scope: how many of the rows it needs there are."""

    learner: Learner
    scope: Scope
    row_count: int

    @property
    def needed(self) -> int:
        """The rows for the next stage."""
        is_early = self.row_count < self.learner.provisional
        return self.learner.provisional if is_early else self.learner.needed

    @property
    def is_learning(self) -> bool:
        return self.row_count < self.learner.needed

    @property
    def may_train(self) -> bool:
        return self.row_count >= self.learner.provisional


def list_standings() -> list[Standing]:
    """All kinds of models with all their scopes."""
    now = read_now()
    standings = []
    for learner in LEARNERS.values():
        scopes = learner.list_scopes()
        counts = learner.count_rows(scopes, now)
        standings += [Standing(learner, scope, counts.get(scope, 0)) for scope in scopes]
    return standings


def train_due_models() -> int:
    """How many trainings were asked for because it is time (`algorithms.triggers`)."""
    now = read_now()
    newest = read_newest_trainings()
    champions = {
        (one.kind, one.scope): one
        for one in ModelVersion.objects.filter(state=ModelVersion.State.CHAMPION)
    }
    started = 0
    for standing in list_standings():
        key = (standing.learner.kind, standing.scope.text)
        situation = describe_situation(standing, newest.get(key), champions.get(key), now)
        trigger = find_trigger(situation)
        if trigger is not None and started < MOST_STARTED:
            started += ask_for_training(standing, trigger)
    return started


def ask_for_training(standing: Standing, trigger: Trigger) -> bool:
    """Whether a training was asked for; what one scope lacks must not keep the others waiting."""
    try:
        start_training(kind=standing.learner.kind, scope=standing.scope, trigger=trigger)
    except StreamSwarmError as error:
        scope = standing.scope.text
        logger.warning("training_not_started", scope=scope, reason=error.detail)
        return False
    return True


def read_newest_trainings() -> Mapping[tuple[str, str], Training]:
    """The newest training of each kind and scope."""
    rows = Training.objects.order_by("created_at")
    return {(one.kind, one.scope): one for one in rows}


def describe_situation(
    standing: Standing, newest: Training | None, champion: ModelVersion | None, now: datetime
) -> Situation:
    feedback_count, false_count = count_feedback(standing.learner, champion)
    return Situation(
        row_count=standing.row_count,
        provisional=standing.learner.provisional,
        trained_row_count=newest.row_count if newest else 0,
        since_training=now - newest.created_at if newest else None,
        is_drifted=bool(champion and champion.drift.get("is_drifted")),
        feedback_count=feedback_count,
        false_count=false_count,
    )


def count_feedback(learner: Learner, champion: ModelVersion | None) -> tuple[int, int]:
    """What people said of findings since the champion was trained, and how much of it "no"."""
    if champion is None or not learner.finding_kinds:
        return 0, 0
    said = Feedback.objects.filter(
        finding__kind__in=learner.finding_kinds, said_at__gte=champion.trained_at
    )
    if champion.client_id:
        said = said.filter(finding__client_id=champion.client_id)
    if champion.test_id:
        said = said.filter(finding__test_id=champion.test_id)
    is_false = Q(verdict=Feedback.Verdict.NOT_A_PROBLEM)
    counts = said.aggregate(said=Count("id"), false=Count("id", filter=is_false))
    return counts["said"], counts["false"]
