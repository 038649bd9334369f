"""Judging results as a whole as they come in."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import numpy as np
import structlog

from apps.core.clock import read_now
from apps.ml.algorithms.features import WINDOW, build_features, name_features
from apps.ml.algorithms.joint import JointModel, explain_row, score_rows
from apps.ml.algorithms.scopes import Scope, parse_scope
from apps.ml.algorithms.stages import Stage
from apps.ml.errors import NoModel
from apps.ml.models import Finding, JudgingMark, ModelVersion
from apps.ml.selectors.champions import Champion, take_champion
from apps.ml.selectors.joint import KIND, build_joint, write_contribution
from apps.ml.selectors.observations import (
    Recorded,
    count_judged_results,
    list_judged_results,
    list_measured,
    read_observations,
)
from apps.ml.selectors.stages import find_version_stage
from apps.ml.services.findings import raise_findings
from apps.tests.models import Assignment

# A result may be committed a little later than it says that it came.
OVERLAP = timedelta(minutes=2)
MOST_REMEMBERED = 20_000
# Within so long of one finding, only something by a quarter more unusual is another.
REFRACTORY = timedelta(hours=1)
LEAST_GROWTH = 1.25
CRITICAL_SCORE = 2.0

logger = structlog.get_logger(__name__)


class Memory:
    """The newest runs that this process has judged; others' looks at them change nothing."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._run_ids: OrderedDict[UUID, None] = OrderedDict()
        self._most = most

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._run_ids

    def add(self, run_ids: Iterable[UUID]) -> None:
        self._run_ids.update(dict.fromkeys(run_ids))
        while len(self._run_ids) > self._most:
            self._run_ids.popitem(last=False)

    def clear(self) -> None:
        self._run_ids.clear()


# Of this process.
JUDGED = Memory()


def judge_new_results() -> int:
    """How many results that came in since the last look were judged.

    Results of assignments without a model are left to the rules.
    """
    now = read_now()
    mark, _is_new = JudgingMark.objects.get_or_create(kind=KIND, defaults={"judged_until": now})
    new = find_new_runs(mark.judged_until - OVERLAP, now)
    judged = 0
    for assignment in Assignment.objects.select_related("test").filter(id__in=list(new)):
        judged += judge_assignment(assignment, new[assignment.id])
        JUDGED.add(new[assignment.id])
    JudgingMark.objects.filter(kind=KIND, judged_until__lt=now).update(judged_until=now)
    return judged


def find_new_runs(after: datetime, until: datetime) -> dict[UUID, dict[UUID, datetime]]:
    """The runs, with their planned starts, of results that came in meanwhile, by assignment.

    Of assignments with a model, without those that this process has judged.
    """
    champions = ModelVersion.objects.filter(kind=KIND, state=ModelVersion.State.CHAMPION)
    scopes = champions.values_list("scope", flat=True)
    learned = [UUID(parse_scope(scope).subject) for scope in scopes]
    rows = list_judged_results().filter(
        received_at__gt=after, received_at__lte=until, run__assignment__in=learned
    )
    new: dict[UUID, dict[UUID, datetime]] = defaultdict(dict)
    found = rows.order_by().values_list("run__assignment_id", "run_id", "run__start_at")
    for assignment_id, run_id, start_at in found:
        if run_id not in JUDGED:
            new[assignment_id][run_id] = start_at
    return new


def judge_assignment(assignment: Assignment, runs: Mapping[UUID, datetime]) -> int:
    """How many of these runs' results were judged; unusual ones became findings."""
    metrics = list_measured(assignment.test.kind)
    features = name_features(metrics)
    scope = Scope("assignment", str(assignment.id))
    try:
        champion = take_champion(KIND, scope, build=build_joint, features=features)
    except NoModel as error:
        logger.warning("result_not_judged", assignment=str(assignment.id), reason=error.detail)
        return 0
    # Some may be of days ago, when the agent was cut off: all since then, and those before.
    since = count_judged_results(assignment, since=min(runs.values()))
    recorded = read_observations(assignment, metrics, until=read_now(), most=since + WINDOW)
    values = build_features(recorded.observations, metrics)
    is_new = np.array([run_id in runs for run_id in recorded.run_ids], dtype=bool)
    places = np.flatnonzero(is_new)
    scores = score_rows(champion.model, values[places], features)
    found = [
        describe_finding(assignment, champion, recorded, values[place], int(place))
        for place in places[scores > 1]
    ]
    raise_findings(keep_records(assignment, found))
    return int(places.size)


def describe_finding(
    assignment: Assignment,
    champion: Champion[JointModel],
    recorded: Recorded,
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    place: int,
) -> Finding:
    """What was unusual about one result, not stored yet."""
    model, stage = champion.model, find_version_stage(champion.version)
    at = float(recorded.observations.at[place])
    score = float(score_rows(model, values[np.newaxis], model.features)[0])
    parts = explain_row(model, values, at)
    moment = datetime.fromtimestamp(at, read_now().tzinfo)
    return Finding(
        id=uuid4(),
        kind=Finding.Kind.JOINT_ANOMALY,
        severity=choose_severity(stage.stage, score),
        client_id=assignment.client_id,
        test_id=assignment.test_id,
        source_id=assignment.source_id,
        run_id=recorded.run_ids[place],
        started_at=moment,
        ended_at=moment,
        score=score,
        is_provisional=stage.stage == Stage.PROVISIONAL,
        evidence={
            "contributions": [write_contribution(one) for one in parts],
            "model": str(champion.version.id),
            "version": champion.version.version,
            "results": stage.count,
        },
        created_at=read_now(),
    )


def choose_severity(stage: Stage, score: float) -> Finding.Severity:
    if stage != Stage.FULL:
        return Finding.Severity.INFO
    is_critical = score >= CRITICAL_SCORE
    return Finding.Severity.CRITICAL if is_critical else Finding.Severity.WARNING


def keep_records(assignment: Assignment, found: Sequence[Finding]) -> list[Finding]:
    """Those findings that are clearly more unusual than any other of the hour before them."""
    if not found or assignment.source_id is None:
        return []
    first = min(one.started_at for one in found)
    rows = Finding.objects.filter(
        kind=KIND, source_id=assignment.source_id, started_at__gte=first - REFRACTORY
    )
    known = [(at, score or 0.0) for at, score in rows.values_list("started_at", "score")]
    kept = []
    for one in sorted(found, key=lambda finding: finding.started_at):
        score = one.score or 0.0
        before = [
            other for at, other in known if one.started_at - REFRACTORY <= at <= one.started_at
        ]
        if score > LEAST_GROWTH * max(before, default=0.0):
            kept.append(one)
            known.append((one.started_at, score))
    return kept
