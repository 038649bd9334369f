"""What is said of one result as a whole, whether or not it became a finding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from apps.ml.algorithms.containers import Artifact
from apps.ml.algorithms.features import WINDOW, build_features, name_features
from apps.ml.algorithms.joint import Contribution, JointModel, explain_row, read_joint, score_rows
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.stages import Standing
from apps.ml.errors import NoModel
from apps.ml.models import Finding, ModelVersion
from apps.ml.selectors.champions import Champion, take_champion
from apps.ml.selectors.observations import list_measured, read_observations, tells_of_host
from apps.ml.selectors.stages import find_assignment_stage, find_version_stage
from apps.tests.models import Result, Run

KIND = Finding.Kind.JOINT_ANOMALY.value
# The result itself is among those that began before this much later.
MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class ResultJudgement:
    """How unusual a result is as a whole: 1 is the edge of what is usual.

    Without a score `reason` says why there is none. `contributions` are as findings keep them,
    greatest first. `finding_id` is that of the finding it became when it came in, by the version
    of that time; any other result is judged by the model in use. `is_learned` when that model
    learned from this very result, and so takes it for more usual than it is.
    """

    stage: Standing
    score: float | None = None
    contributions: Sequence[Mapping[str, Any]] = ()
    version: int | None = None
    version_id: UUID | None = None
    finding_id: UUID | None = None
    is_provisional: bool = False
    is_learned: bool = False
    reason: str = ""

    @property
    def is_unusual(self) -> bool:
        return self.score is not None and self.score > 1


def build_joint(artifact: Artifact) -> JointModel:
    """The model that answers; for `take_champion`."""
    return read_joint(artifact.arrays, artifact.calibration, artifact.features)


def judge_run(run: Run, result: Result, *, shows_host: bool) -> ResultJudgement:
    """What is said of the result of that run as a whole; a bounded number of queries.

    Nothing is said of a run that was disturbed or not completed, and without a model. Without
    `shows_host` for who may not see the client: contributions of its host are left out.
    """
    judged = find_judgement(run, result)
    if shows_host:
        return judged
    shown = [one for one in judged.contributions if not tells_of_host(one["subject"])]
    return replace(judged, contributions=shown)


def find_judgement(run: Run, result: Result) -> ResultJudgement:
    finding = Finding.objects.filter(kind=KIND, run=run).order_by("-score").first()
    if finding is not None:
        return read_finding(run, finding)
    stage = find_assignment_stage(KIND, run.assignment)
    if run.is_overlapped:
        return ResultJudgement(stage, reason=_("An exclusive run disturbed it."))
    if result.outcome != Result.Outcome.COMPLETED:
        return ResultJudgement(stage, reason=_("The run was not completed."))
    metrics = list_measured(run.assignment.test.kind)
    scope = Scope("assignment", str(run.assignment_id))
    try:
        features = name_features(metrics)
        champion = take_champion(KIND, scope, build=build_joint, features=features)
        return score_result(run, result, champion)
    except NoModel as error:
        return ResultJudgement(stage, reason=error.detail)


def score_result(run: Run, result: Result, champion: Champion[JointModel]) -> ResultJudgement:
    """Raises: NoModel when the result is not among those that are judged."""
    metrics = list_measured(run.assignment.test.kind)
    recorded = read_observations(
        run.assignment, metrics, until=result.started_at + MOMENT, most=WINDOW + 1
    )
    if run.id not in recorded.run_ids:
        raise NoModel(_("It is older than what is looked at."))
    place = recorded.run_ids.index(run.id)
    values = build_features(recorded.observations, metrics)[place]
    score = float(score_rows(champion.model, values[np.newaxis], name_features(metrics))[0])
    parts = explain_row(champion.model, values, float(recorded.observations.at[place]))
    return ResultJudgement(
        stage=find_version_stage(champion.version),
        score=score,
        contributions=[write_contribution(one) for one in parts],
        version=champion.version.version,
        version_id=champion.version.id,
        is_provisional=champion.version.is_provisional,
        is_learned=result.started_at < champion.version.held_from,
    )


def read_finding(run: Run, finding: Finding) -> ResultJudgement:
    """As it was judged when it came in."""
    version_id = finding.evidence.get("model")
    version = ModelVersion.objects.filter(id=version_id).first() if version_id else None
    return ResultJudgement(
        stage=find_version_stage(version)
        if version
        else find_assignment_stage(KIND, run.assignment),
        score=finding.score,
        contributions=finding.evidence.get("contributions", ()),
        version=finding.evidence.get("version"),
        version_id=version.id if version else None,
        finding_id=finding.id,
        is_provisional=finding.is_provisional,
    )


def write_contribution(one: Contribution) -> dict[str, str | float | None]:
    """As findings keep it: None where nothing is known."""
    figures = {"value": one.value, "low": one.low, "high": one.high}
    known = {name: figure if np.isfinite(figure) else None for name, figure in figures.items()}
    return {"subject": one.subject, "points": round(one.points, 1), **known}
