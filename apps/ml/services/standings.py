"""How far each kind of model is for each scope, and whether it is time to learn anew."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from apps.core.clock import read_now
from apps.core.errors import StreamSwarmError
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.shares import Share
from apps.ml.algorithms.triggers import Situation, Trigger, explain_trigger, find_trigger
from apps.ml.learners import LEARNERS
from apps.ml.learners.base import Learner
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.feedback import measure_false_share
from apps.ml.selectors.surroundings import read_surroundings
from apps.ml.services.trainings import start_training

# Everything that may learn is asked within so many looks, one an hour; they run one by one.
ROUND_HOURS = 12
LEAST_AT_A_TIME = 20

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A kind of model and a scope: how many of the rows it needs there are."""

    learner: Learner
    scope: Scope
    row_count: int

    @property
    def key(self) -> tuple[str, str]:
        return self.learner.kind, self.scope.text

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
    """How many trainings were asked for because it is time (`algorithms.triggers`).

    They run one after the other. What was never learned comes first, then what waits longest; so
    many are let in at a time that everything that may learn gets its turn within twelve hours.
    """
    now = read_now()
    standings = list_standings()
    newest = read_newest_trainings()
    due = list_due(standings, newest, now)
    places = count_places(standings)
    due.sort(key=lambda one: age_of(newest.get(one.standing.key), now), reverse=True)
    return sum(ask_for_training(one) for one in due[: max(places, 0)])


@dataclass(frozen=True, slots=True)
class Due:
    """It is time for this one, and why."""

    standing: Standing
    trigger: Trigger
    reason: str


def list_due(
    standings: Sequence[Standing], newest: Mapping[tuple[str, str], Training], now: datetime
) -> list[Due]:
    """Those of the standings whose time has come; without those that are being trained."""
    champions = {
        (one.kind, one.scope): one
        for one in ModelVersion.objects.filter(state=ModelVersion.State.CHAMPION)
    }
    surroundings = read_surroundings([one.scope for one in standings if one.may_train], now)
    due = []
    for standing in standings:
        last = newest.get(standing.key)
        if last is not None and last.state in Training.OPEN:
            continue
        around = surroundings.get(standing.scope, {})
        situation = describe_situation(standing, last, champions.get(standing.key), around, now)
        trigger = find_trigger(situation)
        if trigger is not None:
            due.append(Due(standing, trigger, explain_trigger(trigger, situation)))
    return due


def count_places(standings: Sequence[Standing]) -> int:
    """How many trainings may be asked for now: those of an hour, less what waits already."""
    able = sum(standing.may_train for standing in standings)
    waiting = Training.objects.filter(state__in=Training.OPEN).count()
    return max(LEAST_AT_A_TIME, math.ceil(able / ROUND_HOURS)) - waiting


def age_of(newest: Training | None, now: datetime) -> timedelta:
    return timedelta.max if newest is None else now - newest.created_at


def ask_for_training(due: Due) -> bool:
    """Whether a training was asked for; what one scope lacks must not keep the others waiting."""
    kind, scope = due.standing.learner.kind, due.standing.scope
    try:
        start_training(kind=kind, scope=scope, trigger=due.trigger, reason=due.reason)
    except StreamSwarmError as error:
        logger.warning("training_not_started", scope=scope.text, reason=error.detail)
        return False
    return True


def read_newest_trainings() -> Mapping[tuple[str, str], Training]:
    """The newest training of each kind and scope."""
    rows = Training.objects.order_by("created_at")
    return {(one.kind, one.scope): one for one in rows}


def describe_situation(
    standing: Standing,
    newest: Training | None,
    champion: ModelVersion | None,
    around: Mapping[str, str],
    now: datetime,
) -> Situation:
    said = count_feedback(standing.learner, champion, newest)
    is_news = is_reviewed_since(champion, newest)
    drift = champion.drift if champion is not None and is_news else {}
    return Situation(
        row_count=standing.row_count,
        provisional=standing.learner.provisional,
        trained_row_count=newest.row_count if newest else 0,
        since_training=now - newest.created_at if newest else None,
        is_drifted=bool(drift.get("is_drifted")),
        drifted_share=float(drift.get("drifted_share") or 0.0),
        feedback_count=said.count,
        false_count=said.hits,
        before=newest.surroundings if newest else {},
        now=around,
    )


def is_reviewed_since(champion: ModelVersion | None, newest: Training | None) -> bool:
    """Whether its drift was measured after the newest training: one that came to nothing counts."""
    if champion is None or champion.reviewed_at is None:
        return False
    return newest is None or champion.reviewed_at > newest.created_at


def count_feedback(
    learner: Learner, champion: ModelVersion | None, newest: Training | None
) -> Share:
    """What people said of findings since the newest training, and how much of it "wrong"."""
    if champion is None or not learner.finding_kinds:
        return Share(0, 0)
    return measure_false_share(
        learner.finding_kinds,
        client_id=champion.client_id,
        test_id=champion.test_id,
        since=max(champion.trained_at, newest.created_at if newest else champion.trained_at),
    )
