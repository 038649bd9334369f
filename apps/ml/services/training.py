"""Learning: from rows to a new version and the decision about it, in one attempt of a job."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as read_library_version
from threading import Event
from uuid import UUID, uuid4

import numpy as np
from django.conf import settings

from apps.accounts.services import audited
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.jobs.errors import JobFailed
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.ml.algorithms.containers import Artifact, digest, hash_features, pack, unpack
from apps.ml.algorithms.gate import Contender, Decision, Evaluation, Verdict, decide
from apps.ml.algorithms.scopes import parse_scope
from apps.ml.algorithms.splitting import Split, split_by_time
from apps.ml.errors import BadModelFile, StillLearning
from apps.ml.learners import find_learner
from apps.ml.learners.base import Learner, Rows
from apps.ml.models import ModelVersion, Training
from apps.ml.published import TrainingChanged
from apps.ml.selectors.registry import find_champion
from apps.ml.services.defeats import count_defeat
from apps.ml.services.registry import crown, find_next_version, shorten
from apps.ml.services.scoring import (
    BOUNDS,
    Judged,
    build_reference,
    describe_metrics,
    judge,
    judge_version,
)
from apps.ml.services.trainings import (
    Attempt,
    begin_training,
    close_training,
    fail_training,
    lock_attempt,
)
from apps.ml.writers.model_files import write_file

# For another training to end; then other jobs get their turn.
PAUSE_SECONDS = 5.0
HINT_SECONDS = 1.0
# Where each part of the work begins.
FITTING, JUDGING, STORING = 0.1, 0.8, 0.95
PUBLISHED_STATES = {
    Verdict.PROMOTE: ModelVersion.State.CANDIDATE,
    Verdict.SHADOW: ModelVersion.State.SHADOW,
    Verdict.REJECT: ModelVersion.State.CANDIDATE,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of a training, parted; `champion_seen` says that the champion knows some held."""

    fitted: Rows
    held: Rows
    champion: ModelVersion | None
    champion_seen: bool


@dataclass(frozen=True, slots=True)
class Product:
    """What a training made, before anybody can see it."""

    version_id: UUID
    seed: int
    parts: Parts
    artifact: Artifact
    content: bytes
    contender: Contender
    rival: Judged | None
    duration_seconds: float


class Reporter:
    """Passes progress on to the job, and at most once a second to the pages that look at it."""

    def __init__(self, run: JobRun, training_id: UUID) -> None:
        self._run = run
        self._training_id = training_id
        self._hinted_at = float("-inf")

    def __call__(self, share: float, note: str = "") -> None:
        self._run.report(share, note)
        if time.monotonic() - self._hinted_at >= HINT_SECONDS:
            self._hinted_at = time.monotonic()
            publish(TrainingChanged(self._training_id))

    def fit(self, share: float, note: str = "") -> None:
        """The share of the fitting, which is most of the work."""
        self(FITTING + (JUDGING - FITTING) * min(max(share, 0.0), 1.0), note)


def train_model(run: JobRun) -> Outcome:
    """The job's handler. A kill at any moment leaves the champion; the next attempt begins anew.

    Raises: JobFailed, with the reason in words and at once final, when nothing can be learned.
    """
    training_id = UUID(run.arguments["training"])
    attempt = begin_training(training_id)
    if attempt is None:
        run.report(None, "waits for another training")
        Event().wait(PAUSE_SECONDS)
        return Outcome("waits for another training", is_complete=False)
    try:
        product = learn(attempt.training, Reporter(run, training_id))
        version = store(attempt, product)
    except (ValueError, StillLearning, BadModelFile) as error:
        fail_training(attempt, str(error))
        raise JobFailed(str(error), is_final=True) from error
    return Outcome(version.decision)


def learn(training: Training, report: Reporter) -> Product:
    """The new model and its figures; nothing is stored yet.

    Raises: StillLearning, ValueError or BadModelFile when nothing can be made of the rows.
    """
    began = time.monotonic()
    learner = find_learner(training.kind)
    report(0.0, "collects what was measured")
    rows = learner.collect(parse_scope(training.scope), read_now())
    parts = part_rows(learner, rows, find_champion(training.kind, training.scope))
    seed = draw_seed(training)
    report(FITTING, f"learns from {len(parts.fitted)} rows")
    trained = learner.fit(parts.fitted, seed, report.fit)
    report(JUDGING, f"is judged by {len(parts.held)} rows")
    header = {
        **trained.header,
        "kind": training.kind,
        "scope": training.scope,
        "features": list(rows.features),
        "calibration": dict(trained.calibration),
    }
    drafted = unpack(pack(trained.arrays, header))
    reference = build_reference(parts.fitted, learner.evaluate(drafted, parts.fitted))
    content = pack({**drafted.arrays, **reference}, header)
    # What is judged is what will be read.
    artifact = unpack(content)
    contender = judge(
        learner,
        artifact,
        parts.held,
        size_bytes=len(content),
        is_provisional=len(rows) < learner.needed,
    )
    rival = judge_version(learner, parts.champion, parts.held) if parts.champion else None
    report(STORING, "is stored")
    seconds = time.monotonic() - began
    return Product(uuid4(), seed, parts, artifact, content, contender, rival, seconds)


def part_rows(learner: Learner, rows: Rows, champion: ModelVersion | None) -> Parts:
    """Raises: StillLearning when there are too few, also after parting."""
    if len(rows) < max(learner.provisional, 1):
        raise StillLearning(count=len(rows), needed=learner.provisional)
    until = champion.data_until.timestamp() if champion else None
    split: Split = split_by_time(rows.at, purge_seconds=learner.purge_seconds, champion_until=until)
    fitted, held = rows.take(split.fitted), rows.take(split.held)
    if not len(fitted) or not len(held):
        raise StillLearning(count=len(fitted), needed=learner.provisional)
    return Parts(fitted, held, champion, not split.is_unseen)


def read_moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def draw_seed(training: Training) -> int:
    """The same for every attempt at a training."""
    return int.from_bytes(hashlib.sha256(training.id.bytes).digest()[:4]) >> 1


def store(attempt: Attempt, product: Product) -> ModelVersion:
    """The version with its file; the file first, and all rows at once.

    Raises: JobLost when another attempt took over.
    """
    write_file(product.version_id, product.content)
    with audited():
        training = lock_attempt(attempt)
        champion = keep_champion(training, product)
        rival = product.rival.evaluation if product.rival and champion else None
        decision = explain_decision(decide(product.contender, rival, BOUNDS), product, rival)
        version = save_version(training, product, decision, rival)
        if decision.verdict == Verdict.PROMOTE:
            version = crown(version, action="promote", reason=decision.reason)
        training.result = version
        close_training(training, Training.State.DONE, decision.reason)
    return version


def keep_champion(training: Training, product: Product) -> ModelVersion | None:
    """The champion after it was judged as well: three defeats by the baseline end it."""
    champion = find_champion(training.kind, training.scope)
    if champion is None or product.rival is None or champion != product.parts.champion:
        return champion
    return count_defeat(champion, product.rival.evaluation)


def explain_decision(decision: Decision, product: Product, rival: Evaluation | None) -> Decision:
    """The decision with what has to be known beside it."""
    notes = [decision.reason]
    if rival is not None and product.parts.champion_seen:
        notes.append("The champion learned from some of the rows that both were judged by.")
    if product.parts.champion is not None and product.rival is None:
        notes.append("The champion could not be judged by these rows.")
    if product.contender.is_provisional:
        notes.append("It is provisional: of too few results to raise alerts.")
    return Decision(decision.verdict, shorten(" ".join(notes)), decision.margin)


def save_version(
    training: Training, product: Product, decision: Decision, rival: Evaluation | None
) -> ModelVersion:
    parts = product.parts
    state = PUBLISHED_STATES[decision.verdict]
    if state == ModelVersion.State.SHADOW:
        shadows = ModelVersion.objects.filter(kind=training.kind, scope=training.scope, state=state)
        shadows.update(state=ModelVersion.State.CANDIDATE)
    return ModelVersion.objects.create(
        id=product.version_id,
        kind=training.kind,
        scope=training.scope,
        client_id=training.client_id,
        test_id=training.test_id,
        version=find_next_version(training.kind, training.scope),
        parent=parts.champion,
        state=state,
        is_provisional=product.contender.is_provisional,
        data_from=read_moment(parts.fitted.at[0]),
        data_until=read_moment(parts.fitted.at[-1]),
        held_from=read_moment(parts.held.at[0]),
        held_until=read_moment(parts.held.at[-1]),
        row_count=len(parts.fitted),
        held_count=len(parts.held),
        incident_count=parts.fitted.incidents,
        agent_count=int(np.unique(parts.fitted.groups).size),
        features=list(parts.fitted.features),
        schema_hash=hash_features(parts.fitted.features),
        code_version=settings.SERVER_VERSION,
        library_version=read_library_version("scikit-learn"),
        seed=product.seed,
        metrics=describe_metrics(product.contender, rival),
        calibration=dict(product.artifact.calibration),
        digest=digest(product.content),
        size_bytes=len(product.content),
        trained_by=training.requested_by,
        trained_at=read_now(),
        duration_seconds=product.duration_seconds,
        decision=decision.reason,
    )
