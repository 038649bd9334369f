"""The rows of trainings: asked for, begun one at a time, and brought to an end whatever happens."""

from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.actors import read_actor
from apps.accounts.services import audited, record_audit
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.jobs.errors import JobLost
from apps.jobs.models import Job
from apps.jobs.services import enqueue_job
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.triggers import Trigger
from apps.ml.errors import StillLearning
from apps.ml.learners import find_learner
from apps.ml.models import Training
from apps.ml.published import TrainingChanged
from apps.ml.selectors.registry import place_scope
from apps.ml.selectors.surroundings import read_surroundings
from apps.ml.services.registry import shorten

TRAIN_MODEL = "train_model"
State = Training.State

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to carry on a training: it ends when another attempt begins."""

    training: Training
    number: int


@audited()
def start_training(
    *, kind: str, scope: Scope, trigger: Trigger = Trigger.MANUAL, reason: str = ""
) -> Training:
    """The training of that kind and scope, which a worker begins when no other one runs.

    One that waits or runs already is returned instead.
    Raises: Invalid for an unknown kind, NotFound for an assignment that is gone, StillLearning
    when there is too little to learn from.
    """
    learner = find_learner(kind)
    known = Training.objects.filter(kind=kind, scope=scope.text, state__in=Training.OPEN).first()
    if known is not None:
        return known
    now = read_now()
    count = learner.count_rows([scope], now).get(scope, 0)
    if count < learner.provisional:
        raise StillLearning(count=count, needed=learner.provisional)
    training = Training.objects.create(
        kind=kind,
        scope=scope.text,
        trigger=trigger,
        reason=shorten(reason),
        surroundings=read_surroundings([scope], now).get(scope, {}),
        row_count=count,
        requested_by=read_actor().user,
        created_at=now,
        **place_scope(scope),
    )
    # Its own key: the job of an earlier training may be open for a moment longer than that.
    training.job = enqueue_job(
        kind=TRAIN_MODEL, key=str(training.id), arguments={"training": str(training.id)}
    )
    training.save(update_fields=["job"])
    record_audit(action="train", target=training, after={"kind": kind, "reason": trigger})
    publish(TrainingChanged(training.id))
    return training


def begin_training(training_id: UUID) -> Attempt | None:
    """The next attempt at a training; None while another training runs.

    Raises: JobLost when it is settled or gone.
    """
    settle_trainings()
    try:
        with transaction.atomic():
            training = Training.objects.select_for_update().filter(id=training_id).first()
            if training is None or training.state not in Training.OPEN:
                raise JobLost
            training.state, training.started_at = State.RUNNING, read_now()
            training.attempts += 1
            training.save(update_fields=["state", "started_at", "attempts"])
    except IntegrityError:
        # At most one row may say that it runs.
        return None
    publish(TrainingChanged(training.id))
    return Attempt(training, training.attempts)


def lock_attempt(attempt: Attempt) -> Training:
    """The training's row, as long as the attempt is its newest one.

    Raises: JobLost when another one took over, or nobody wants it any more.
    """
    rows = Training.objects.select_for_update().filter(id=attempt.training.id, state=State.RUNNING)
    training = rows.filter(attempts=attempt.number).first()
    if training is None:
        raise JobLost
    return training


def fail_training(attempt: Attempt, reason: str) -> None:
    """The training has come to nothing; the champion is who it was."""
    with transaction.atomic():
        training = lock_attempt(attempt)
        close_training(training, State.FAILED, reason)


def close_training(training: Training, state: State, decision: str) -> None:
    training.state, training.decision = state, shorten(decision)
    training.finished_at = read_now()
    training.save(update_fields=["state", "decision", "finished_at", "result"])
    publish(TrainingChanged(training.id))


def settle_trainings() -> int:
    """How many trainings were found whose worker died, and brought to what their job says.

    A job that was given up, discarded or lost has failed its training. One that is tried again
    later leaves its place to others meanwhile.
    """
    is_worked_on = Q(job__state=Job.State.RUNNING, job__claimed_until__gte=Now())
    is_waited_for = Q(state=State.WAITING, job__state__in=Job.OPEN)
    open_rows = Training.objects.filter(state__in=Training.OPEN)
    ids = list(open_rows.exclude(is_worked_on | is_waited_for).values_list("id", flat=True))
    for training_id in ids:
        settle_training(training_id)
    return len(ids)


def settle_training(training_id: UUID) -> None:
    with transaction.atomic():
        rows = Training.objects.select_for_update(of=("self",)).select_related("job")
        training = rows.filter(id=training_id, state__in=Training.OPEN).first()
        if training is None:
            return
        job = training.job
        if job is not None and job.state in Job.OPEN:
            training.state = State.WAITING
            training.save(update_fields=["state"])
            return
        reason = (job.error if job else "") or "Its job ended without a result."
        if job is not None and job.state == Job.State.DISCARDED:
            reason = "Its job was discarded."
        close_training(training, State.FAILED, reason)
    logger.warning("training_failed", training=str(training_id), reason=reason)
