"""How far what is learned about a test on a client is, and what comes next, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from apps.core.clock import read_now
from apps.ml.algorithms.health_class import KIND as HEALTH_CLASS
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.series import LEARNING_VALUES
from apps.ml.algorithms.stages import Stage, Standing
from apps.ml.learners import LEARNERS
from apps.ml.learners.assignments import count_results
from apps.ml.learners.base import Learner
from apps.ml.learners.health_class import LEAST_CLIENTS, LEAST_INCIDENTS, HealthClassLearner
from apps.ml.models import Finding, ModelVersion, SeriesState, Training
from apps.ml.selectors.observations import list_judged_results, list_measured
from apps.ml.selectors.stages import describe_stage, find_version_stage
from apps.tests.models import Assignment, Test

JOINT = Finding.Kind.JOINT_ANOMALY.value
# Trainings that are looked at for why there is no model: the newest of these scopes.
MOST_TRAININGS = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """A kind of model for one scope: the results there are, those of the next stage, and words.

    `version` is the model in use.
    """

    kind: str
    title: str | Promise
    stage: Stage
    count: int
    needed: int
    words: str
    version: ModelVersion | None = None

    @property
    def share(self) -> float:
        """From 0 to 1; of what has no next stage 1."""
        return 1.0 if self.stage == Stage.FULL else min(self.count / max(self.needed, 1), 1.0)


@dataclass(frozen=True, slots=True)
class SeriesOutlook:
    """Of the series of some sources, how many are judged and how many are learned first.

    `least_values` is how many values the least known of those that learn has, of `needed`.
    """

    judged: int
    learning: int
    least_values: int
    needed: int = LEARNING_VALUES


@dataclass(frozen=True, slots=True)
class ClientOutlook:
    """A kind of model over the tests of a client: how many are at which stage.

    `furthest` is the one that is closest to its first model, None when none is on its way.
    """

    kind: str
    title: str | Promise
    stages: Mapping[Stage, int]
    furthest: Standing | None
    test_count: int


def list_outlooks(assignment: Assignment) -> list[Outlook]:
    """Every kind of model for a test on a client; none of a kind that measures no numbers.

    Four queries.
    """
    if not list_measured(assignment.test.kind):
        return []
    own = Scope("assignment", str(assignment.id))
    scopes = [own, Scope("test", str(assignment.test_id))]
    champions = find_champions(scopes)
    decisions = find_decisions(scopes)
    count = count_results([own], read_now()).get(own, 0)
    of_test = count_first_results(assignment.test, HealthClassLearner.needed)
    counts = {own: count, scopes[1]: of_test}
    return [
        describe_learner(
            learner,
            counts[scope],
            champions.get((learner.kind, scope.text)),
            decisions.get((learner.kind, scope.text), ""),
        )
        for learner in LEARNERS.values()
        for scope in [scopes[1] if learner.kind == HEALTH_CLASS else own]
    ]


def count_first_results(test: Test, most: int) -> int:
    """How many results of the test are judged, counted up to `most`."""
    return list_judged_results().filter(run__assignment__test=test).order_by()[:most].count()


def find_champions(scopes: Sequence[Scope]) -> dict[tuple[str, str], ModelVersion]:
    rows = ModelVersion.objects.filter(
        state=ModelVersion.State.CHAMPION, scope__in=[scope.text for scope in scopes]
    )
    return {(row.kind, row.scope): row for row in rows.defer("features", "calibration")}


def find_decisions(scopes: Sequence[Scope]) -> dict[tuple[str, str], str]:
    """What came of the newest training of each kind and scope."""
    rows = Training.objects.filter(scope__in=[scope.text for scope in scopes])
    rows = rows.exclude(state__in=Training.OPEN).exclude(decision="")
    newest = rows.order_by("-created_at").values_list("kind", "scope", "decision")
    found: dict[tuple[str, str], str] = {}
    for kind, scope, decision in newest[:MOST_TRAININGS]:
        found.setdefault((kind, scope), decision)
    return found


def describe_learner(
    learner: Learner, count: int, champion: ModelVersion | None, decision: str
) -> Outlook:
    if champion is None:
        needed = learner.provisional
        words = describe_waiting(learner, count, decision)
        return Outlook(learner.kind, learner.title, Stage.LEARNING, count, needed, words)
    standing = find_standing(learner, champion)
    words = describe_used(learner, standing, champion)
    return Outlook(
        learner.kind,
        learner.title,
        standing.stage,
        standing.count,
        standing.needed,
        words,
        champion,
    )


def find_standing(learner: Learner, champion: ModelVersion) -> Standing:
    """The stage of the model in use: full, or provisional until the learner has all it needs."""
    if learner.kind == JOINT:
        return find_version_stage(champion)
    count = champion.row_count + champion.held_count
    stage = Stage.PROVISIONAL if champion.is_provisional else Stage.FULL
    return Standing(stage, count, learner.needed)


def describe_waiting(learner: Learner, count: int, decision: str) -> str:
    """What is missing to the first model, or why there is none though nothing is."""
    figures = {"count": count, "needed": learner.provisional}
    if count < learner.provisional:
        first = _("learning %(count)d/%(needed)d: a first model at %(needed)d results") % figures
        if learner.kind == HEALTH_CLASS:
            more = _("with %(incidents)d outages on %(clients)d clients")
            figures = {"incidents": LEAST_INCIDENTS, "clients": LEAST_CLIENTS}
            return f"{first} {more % figures}"
        return first
    if decision:
        return _("no model is in use: %(reason)s") % {"reason": decision}
    if learner.kind == HEALTH_CLASS:
        words = _("no model is in use: it takes %(incidents)d outages on %(clients)d clients")
        return words % {"incidents": LEAST_INCIDENTS, "clients": LEAST_CLIENTS}
    return _("%(count)d results, enough for a first model: it is trained within the hour") % figures


def describe_used(learner: Learner, standing: Standing, champion: ModelVersion) -> str:
    if learner.kind == JOINT:
        return describe_stage(standing)
    figures = {"count": standing.count, "needed": standing.needed}
    if standing.stage == Stage.PROVISIONAL:
        return _("provisional, learning %(count)d/%(needed)d") % figures
    if champion.incident_count:
        words = _("learned from %(count)d results with %(incidents)d outages")
        return words % {**figures, "incidents": champion.incident_count}
    return _("learned from %(count)d results") % figures


def list_client_outlooks(client_id: UUID) -> list[ClientOutlook]:
    """Each kind of model that is about one test on one client, over the tests of a client.

    Three queries. Results are counted where there is no model yet; there they are few.
    """
    rows = Assignment.objects.filter(client_id=client_id, removed_at=None)
    kinds = dict(rows.values_list("id", "test__kind"))
    scopes = [Scope("assignment", str(id)) for id, kind in kinds.items() if list_measured(kind)]
    champions = find_champions(scopes)
    of_assignments = [one for one in LEARNERS.values() if one.kind != HEALTH_CLASS]
    missing = [
        scope
        for scope in scopes
        if any((one.kind, scope.text) not in champions for one in of_assignments)
    ]
    counts = count_results(missing, read_now())
    return [
        gather_stages(
            learner,
            [champions.get((learner.kind, scope.text)) for scope in scopes],
            [counts.get(scope, 0) for scope in scopes],
        )
        for learner in of_assignments
    ]


def gather_stages(
    learner: Learner, champions: Sequence[ModelVersion | None], counts: Sequence[int]
) -> ClientOutlook:
    stages: Counter[Stage] = Counter()
    waiting = []
    for champion, count in zip(champions, counts, strict=True):
        if champion is not None:
            stages[find_standing(learner, champion).stage] += 1
        else:
            stages[Stage.LEARNING] += 1
            waiting.append(Standing(Stage.LEARNING, count, learner.provisional))
    on_their_way = [one for one in waiting if one.count < one.needed]
    furthest = max(on_their_way, key=lambda one: one.count, default=None)
    return ClientOutlook(learner.kind, learner.title, stages, furthest, len(counts))


def find_series_outlook(client_id: UUID, *, source_id: int | None = None) -> SeriesOutlook:
    """Of the series that are judged by themselves, of a client or of one of its sources."""
    rows = SeriesState.objects.filter(source__client_id=client_id)
    if source_id is not None:
        rows = rows.filter(source_id=source_id)
    counts = list(rows.values_list("values_count", flat=True))
    learning = [count for count in counts if count < LEARNING_VALUES]
    return SeriesOutlook(
        judged=len(counts) - len(learning),
        learning=len(learning),
        least_values=min(learning, default=0),
    )
