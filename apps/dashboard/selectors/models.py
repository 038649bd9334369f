"""Models and trainings as their pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.core.paginator import Page, Paginator

from apps.accounts.policy import AnyUser
from apps.accounts.selectors import administers_everything
from apps.ml.algorithms.drift import name_level
from apps.ml.learners import LEARNERS
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.registry import list_models, list_trainings, name_scope, name_scopes
from apps.ml.services.standings import Standing, list_standings

VERSIONS_SHOWN = 10
GROUPS_PER_PAGE = 20
TRAININGS_PER_PAGE = 30
STANDINGS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Score:
    """A mean loss and its interval as it is drawn: shares of the widest of its table."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of the list: a version with its score beside that of the baseline."""

    version: ModelVersion
    score: Score | None
    baseline: Score | None
    drift: str


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The newest versions of a kind and scope; `may_roll_back` when there was a champion before."""

    kind: str
    title: str
    scope_name: str
    rows: Sequence[ModelRow]
    count: int
    may_roll_back: bool

    @property
    def champion(self) -> ModelVersion | None:
        champions = (row.version for row in self.rows)
        return next((one for one in champions if one.state == "champion"), None)


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """A feature of a model and how far it has moved since; None where nobody has looked."""

    name: str
    index: float | None
    level: str


def name_learner(kind: str) -> str:
    """What people call a kind of model; its own name when it is gone."""
    learner = LEARNERS.get(kind)
    return str(learner.title) if learner else kind


def page_models(user: AnyUser, number: str | None) -> tuple[Page[Any], list[ModelGroup]]:
    """A page of the kinds and scopes that have models, each with its newest versions."""
    versions = list_models(user).order_by("kind", "scope", "-version").defer("features")
    keys = list(list_models(user).order_by("kind", "scope").values_list("kind", "scope").distinct())
    page = Paginator(keys, GROUPS_PER_PAGE).get_page(number)
    shown = set(page.object_list)
    wanted = versions.filter(
        kind__in={kind for kind, _scope in shown}, scope__in={scope for _kind, scope in shown}
    )
    groups = groupby(wanted, key=lambda one: (one.kind, one.scope))
    return page, [build_group(list(rows)) for key, rows in groups if key in shown]


def build_group(versions: list[ModelVersion]) -> ModelGroup:
    used = [one for one in versions if one.state in {"champion", "shadow"}]
    newest = versions[:VERSIONS_SHOWN]
    rows = [*newest, *(one for one in used if one not in newest)]
    former = (one for one in versions if one.state == "retired" and one.promoted_at)
    has_champion = any(one.state == "champion" for one in used)
    return ModelGroup(
        kind=versions[0].kind,
        title=name_learner(versions[0].kind),
        scope_name=name_scope(versions[0]),
        rows=[describe_row(one) for one in rows],
        count=len(versions),
        may_roll_back=has_champion and next(former, None) is not None,
    )


def describe_row(version: ModelVersion) -> ModelRow:
    return ModelRow(
        version=version,
        score=read_score(version.metrics, "loss"),
        baseline=read_score(version.metrics, "baseline"),
        drift=describe_drift(version.drift),
    )


def read_score(metrics: Mapping[str, Any], name: str) -> Score | None:
    found = metrics.get(name)
    return Score(found["value"], found["low"], found["high"]) if found else None


def describe_drift(drift: Mapping[str, Any]) -> str:
    """The state of drift by a word of the badges."""
    if "indices" not in drift:
        return "unknown"
    return "drifted" if drift["is_drifted"] else "stable"


def list_feature_drifts(version: ModelVersion) -> list[FeatureDrift]:
    """The features of a model, those first that have moved most."""
    indices = version.drift.get("indices", {})
    rows = [
        FeatureDrift(name, index, name_level(index) if index is not None else "unknown")
        for name in version.features
        for index in [indices.get(name)]
    ]
    return sorted(rows, key=lambda row: -(row.index or 0.0))


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A line of the trainings; `progress` is that of its job while it is open."""

    training: Training
    title: str
    scope_name: str
    progress: float | None
    note: str


@dataclass(frozen=True, slots=True)
class StandingRow:
    """What can be learned, by name, and how much of what it needs there is."""

    standing: Standing
    title: str
    scope_name: str

    @property
    def share(self) -> float:
        return min(self.standing.row_count / max(self.standing.needed, 1), 1.0)


def page_trainings(user: AnyUser, number: str | None) -> tuple[Page[Any], list[TrainingRow]]:
    page = Paginator(list_trainings(user), TRAININGS_PER_PAGE).get_page(number)
    return page, [describe_training(one) for one in page]


def describe_training(training: Training) -> TrainingRow:
    job = training.job if training.state in Training.OPEN else None
    return TrainingRow(
        training=training,
        title=name_learner(training.kind),
        scope_name=name_scope(training),
        progress=job.progress if job else None,
        note=job.note if job else "",
    )


def list_standing_rows(user: AnyUser) -> list[StandingRow]:
    """What can be learned, for who may have it learned."""
    if not administers_everything(user):
        return []
    standings = list_standings()[:STANDINGS_SHOWN]
    names = name_scopes([standing.scope for standing in standings])
    return [StandingRow(one, name_learner(one.learner.kind), names[one.scope]) for one in standings]
