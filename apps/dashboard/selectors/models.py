"""Models and trainings as their pages show them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.core.paginator import Page, Paginator
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.policy import AnyUser
from apps.accounts.selectors import administers_everything
from apps.dashboard.formats import Style, format_quantity
from apps.ml.algorithms.drift import DRIFTED, WATCHED, name_level
from apps.ml.algorithms.health_class import KIND as CLASS_KIND
from apps.ml.learners import LEARNERS
from apps.ml.learners.health_class import LEAST_CLIENTS, LEAST_INCIDENTS
from apps.ml.learners.outlook import describe_used, find_standing
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.registry import list_models, list_trainings, name_scope, name_scopes
from apps.ml.services.standings import Standing, list_standings

VERSIONS_SHOWN = 10
GROUPS_PER_PAGE = 20
TRAININGS_PER_PAGE = 30
STANDINGS_SHOWN = 200
# Scales end a little above their highest value; a line has a width that can be seen.
ROOM = 1.05
LEAST_WIDTH = 1.0
DRIFT_SCALE = 2 * DRIFTED
# What learners measure besides their loss, and whether it is a share.
FIGURES: Mapping[str, tuple[str | Promise, bool]] = {
    "planted_found": (gettext_lazy("Planted faults found"), True),
    "baseline_planted_found": (gettext_lazy("Found by the baseline"), True),
    "baseline_false_positive_rate": (gettext_lazy("False alarms of the baseline"), True),
    "backtest_ratio": (gettext_lazy("Backtest error, of the last value's"), False),
    "covered_80": (gettext_lazy("Held by the 80 % interval"), True),
    "outputs": (gettext_lazy("Values said"), False),
    "brier_persistence": (gettext_lazy("Loss of: as now"), False),
    "brier_majority": (gettext_lazy("Loss of: the usual rate"), False),
    "brier_burn_rate": (gettext_lazy("Loss of: the burn rate"), False),
}


@dataclass(frozen=True, slots=True)
class Score:
    """A mean loss and its interval as it is drawn: shares of the widest of its table."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval and its value as places on a scale, in percent of its width."""

    low: float
    value: float
    width: float


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A line of the list: a version with its score beside that of the baseline.

    Both are drawn on the same scale, which begins at 0.
    """

    version: ModelVersion
    score: Score | None
    baseline: Score | None
    drift: str
    score_drawn: Whisker | None = None
    baseline_drawn: Whisker | None = None

    @property
    def saved_percent(self) -> float | None:
        """How much smaller its loss is than that of the baseline; negative when it is greater."""
        if self.score is None or self.baseline is None or not self.baseline.value:
            return None
        return 100 * (1 - self.score.value / self.baseline.value)


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """The newest versions of a kind and scope; `may_roll_back` when there was a champion before."""

    kind: str
    title: str
    scope_name: str
    rows: Sequence[ModelRow]
    count: int
    may_roll_back: bool
    # How far learning is by the model in use, in words; and what it has to beat.
    stage_words: str = ""
    baseline: str | Promise = ""

    @property
    def champion(self) -> ModelVersion | None:
        champions = (row.version for row in self.rows)
        return next((one for one in champions if one.state == "champion"), None)


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """A feature of a model and how far it has moved since; None where nobody has looked.

    `length` is that of its bar, in percent of a scale that ends at twice what counts as drifted.
    """

    name: str
    index: float | None
    level: str
    length: float = 0.0


@dataclass(frozen=True, slots=True)
class DriftCard:
    """The newest review of a model: of how many rows, and how far what it says has moved.

    `distance` is that of Kolmogorov and Smirnov, from 0 to 1; None where nobody has looked.
    """

    features: Sequence[FeatureDrift]
    rows: int
    distance: float | None
    is_distance_significant: bool
    drifted_share: float | None
    reviewed_at: datetime | None
    edges: tuple[float, float] = (100 * WATCHED / DRIFT_SCALE, 100 * DRIFTED / DRIFT_SCALE)

    @property
    def is_measured(self) -> bool:
        return any(feature.index is not None for feature in self.features)


@dataclass(frozen=True, slots=True)
class KindRow:
    """A kind of model: what it needs, what it has to beat, and how many are in use."""

    title: str | Promise
    provisional: int
    needed: int
    baseline: str | Promise
    champion_count: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the judging in words, and as it is written."""

    name: str
    text: str


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
    champion = next((one for one in used if one.state == "champion"), None)
    learner = LEARNERS.get(versions[0].kind)
    words = ""
    if learner is not None and champion is not None:
        words = describe_used(learner, find_standing(learner, champion), champion)
    return ModelGroup(
        kind=versions[0].kind,
        title=name_learner(versions[0].kind),
        scope_name=name_scope(versions[0]),
        rows=[describe_row(one) for one in rows],
        count=len(versions),
        may_roll_back=champion is not None and next(former, None) is not None,
        stage_words=words,
        baseline=learner.baseline if learner else "",
    )


def describe_row(version: ModelVersion) -> ModelRow:
    score, baseline = (read_score(version.metrics, name) for name in ("loss", "baseline"))
    highest = max((one.high for one in (score, baseline) if one), default=0.0)
    return ModelRow(
        version=version,
        score=score,
        baseline=baseline,
        drift=describe_drift(version.drift),
        score_drawn=draw_whisker(score, highest),
        baseline_drawn=draw_whisker(baseline, highest),
    )


def draw_whisker(score: Score | None, highest: float) -> Whisker | None:
    """Its place on a scale from 0 to a little above the highest."""
    if score is None or highest <= 0:
        return None
    low, value, high = (
        100 * one / (highest * ROOM) for one in (score.low, score.value, score.high)
    )
    return Whisker(low, value, max(high - low, LEAST_WIDTH))


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
        FeatureDrift(
            name,
            index,
            name_level(index) if index is not None else "unknown",
            100 * min((index or 0.0) / DRIFT_SCALE, 1.0),
        )
        for name in version.features
        for index in [indices.get(name)]
    ]
    return sorted(rows, key=lambda row: -(row.index or 0.0))


def describe_drift_card(version: ModelVersion) -> DriftCard:
    drift = version.drift
    return DriftCard(
        features=list_feature_drifts(version),
        rows=drift.get("rows", 0),
        distance=drift.get("distance"),
        is_distance_significant=bool(drift.get("is_distance_significant")),
        drifted_share=drift.get("drifted_share"),
        reviewed_at=version.reviewed_at,
    )


def list_kinds(user: AnyUser) -> list[KindRow]:
    """Every kind of model with how many of it `user` may see in use; one query."""
    champions = list_models(user).filter(state=ModelVersion.State.CHAMPION).order_by()
    counts = Counter(champions.values_list("kind", flat=True))
    return [
        KindRow(one.title, one.provisional, one.needed, one.baseline, counts[one.kind])
        for one in LEARNERS.values()
    ]


def describe_figures(version: ModelVersion) -> list[Figure]:
    """The figures of the judging; those of a kind that is gone keep their name."""
    found = []
    for name, figure in version.metrics.get("figures", {}).items():
        label, is_share = FIGURES.get(name, (name, False))
        text = format_quantity(figure, Style.RATIO) if is_share else f"{figure:.3g}"
        found.append(Figure(str(label), text))
    return found


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
    def condition(self) -> str:
        """What is missing besides results; empty where nothing else is."""
        if self.standing.learner.kind != CLASS_KIND or self.standing.row_count:
            return ""
        words = _("%(incidents)d failures on %(clients)d clients are needed")
        return words % {"incidents": LEAST_INCIDENTS, "clients": LEAST_CLIENTS}

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
