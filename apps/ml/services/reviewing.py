"""Looking again at champions: drift, defeats by the baseline, shadows that have proven better."""

from datetime import timedelta

from django.db.models import F, Q

from apps.accounts.services import audited
from apps.core.clock import read_now
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.jobs.services import enqueue_job
from apps.ml.algorithms.gate import Contender, Verdict, decide
from apps.ml.algorithms.scopes import parse_scope
from apps.ml.algorithms.splitting import LEAST_UNSEEN
from apps.ml.learners import LEARNERS
from apps.ml.learners.base import Learner, Rows
from apps.ml.models import ModelVersion
from apps.ml.services.defeats import count_defeat
from apps.ml.services.registry import crown, lock_version
from apps.ml.services.scoring import (
    BOUNDS,
    Judged,
    describe_drift,
    judge_version,
    measure_judged_drift,
)

REVIEW_MODELS = "review_models"
REVIEWED_EVERY = timedelta(hours=20)
State = ModelVersion.State


def ask_for_review() -> None:
    """Have a worker review every champion that was not reviewed lately."""
    if find_due() is not None:
        enqueue_job(kind=REVIEW_MODELS, key="all", arguments={})


def review_models(run: JobRun) -> Outcome:
    """The job's handler: one champion a turn, until none is due."""
    champion = find_due()
    if champion is None:
        return Outcome("nothing is due")
    run.report(None, str(champion))
    review_model(champion)
    return Outcome(str(champion), is_complete=find_due() is None)


def find_due() -> ModelVersion | None:
    limit = read_now() - REVIEWED_EVERY
    champions = ModelVersion.objects.filter(state=State.CHAMPION, kind__in=list(LEARNERS))
    due = champions.filter(Q(reviewed_at=None) | Q(reviewed_at__lt=limit))
    return due.order_by(F("reviewed_at").asc(nulls_first=True), "id").first()


def review_model(champion: ModelVersion) -> None:
    """Judge the champion, and its shadow, by what was measured since they learned.

    Too few such rows change nothing but the time of the review.
    """
    learner = LEARNERS[champion.kind]
    rows = learner.collect(parse_scope(champion.scope), read_now())
    unseen = rows.take(rows.at > champion.data_until.timestamp())
    judged = judge_version(learner, champion, unseen) if len(unseen) >= LEAST_UNSEEN else None
    with audited():
        locked = lock_version(champion)
        locked.reviewed_at = read_now()
        if judged is not None:
            locked.drift = describe_drift(measure_judged_drift(judged, unseen), unseen)
        locked.save(update_fields=["reviewed_at", "drift"])
        if judged is None or locked.state != State.CHAMPION:
            return
        champion_left = count_defeat(locked, judged.evaluation)
    if champion_left is not None:
        try_shadow(learner, champion_left, rows)


def try_shadow(learner: Learner, champion: ModelVersion, rows: Rows) -> None:
    """Promote the shadow when it is better on rows that neither of both has learned from."""
    shadow = ModelVersion.objects.filter(
        kind=champion.kind, scope=champion.scope, state=State.SHADOW
    ).first()
    if shadow is None:
        return
    newest = max(shadow.held_until, champion.held_until).timestamp()
    unseen = rows.take(rows.at > newest)
    if len(unseen) < LEAST_UNSEEN:
        return
    mine, theirs = (judge_version(learner, one, unseen) for one in (shadow, champion))
    if mine is not None and theirs is not None:
        settle_shadow(shadow, champion, mine, theirs)


def settle_shadow(
    shadow: ModelVersion, champion: ModelVersion, mine: Judged, theirs: Judged
) -> None:
    row_seconds = float(shadow.metrics.get("row_seconds", 0.0))
    contender = Contender(mine.evaluation, row_seconds, shadow.size_bytes, shadow.is_provisional)
    decision = decide(contender, theirs.evaluation, BOUNDS)
    with audited():
        locked, rival = lock_version(shadow), lock_version(champion)
        if locked.state != State.SHADOW or rival.state != State.CHAMPION:
            return
        if decision.verdict == Verdict.PROMOTE:
            crown(locked, action="promote", reason=decision.reason)
        else:
            locked.decision, locked.reviewed_at = decision.reason, read_now()
            locked.save(update_fields=["decision", "reviewed_at"])
