"""Results are judged as they come in: whose, what becomes a finding, and what is learned."""

from datetime import timedelta

import pytest

from apps.core.bus import subscribe
from apps.core.clock import read_now
from apps.jobs.services import run_due_jobs
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.stages import Stage
from apps.ml.errors import StillLearning
from apps.ml.learners.joint_anomaly import JointAnomalyLearner
from apps.ml.models import Feedback, Finding, ModelVersion
from apps.ml.published import FindingRaised
from apps.ml.selectors.champions import SHELF
from apps.ml.selectors.joint import KIND
from apps.ml.selectors.joint_sentences import describe_joint
from apps.ml.selectors.stages import describe_stage, find_assignment_stage
from apps.ml.services import joint
from apps.ml.services.joint import JUDGED, judge_new_results
from apps.ml.services.trainings import start_training
from apps.tests.models import Result, Run
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [metric.key for metric in METRICS]
USUAL = dict(zip(KEYS, (0.0253, 0.0, 0.00253, 0.02, 0.0345), strict=True))
ODD = dict(zip(KEYS, (0.1, 0.2, 0.05, 0.02, 0.4), strict=True))
LEARNER = JointAnomalyLearner()


@pytest.fixture(autouse=True)
def fresh_memory():
    SHELF.clear()
    JUDGED.clear()
    yield
    SHELF.clear()
    JUDGED.clear()


@pytest.fixture
def assignment():
    return make_assignment(make_client("probe"), "Path")


def scope_of(assignment):
    return Scope("assignment", str(assignment.id))


def learn(assignment, count, *, every_seconds=3600.0):
    """The champion of so many results up to now, and the mark set, by the worker's code."""
    until = read_now() - timedelta(minutes=10)
    store_results(assignment, draw_observations(count, every_seconds=every_seconds, until=until))
    training = start_training(kind=KIND, scope=scope_of(assignment))
    run_due_jobs("ml")
    training.refresh_from_db()
    assert training.state == "done", training.decision
    # Whether so few rows prove an advantage is the gate's business, and tested with it.
    ModelVersion.objects.update(state="champion")
    judge_new_results()
    return training.result


def test_an_unusual_result_becomes_one_finding_that_says_why(assignment):
    version = learn(assignment, 600)
    raised = []
    subscribe(FindingRaised, raised.append)
    store_one(assignment, USUAL)
    run = store_one(assignment, ODD)
    assert judge_new_results() == 2
    finding = Finding.objects.get()
    assert (finding.kind, finding.run, finding.source) == (KIND, run, assignment.source)
    assert (finding.client, finding.test) == (assignment.client, assignment.test)
    assert (finding.severity, finding.is_provisional) == ("critical", False)
    assert finding.score > 2
    assert finding.evidence["model"] == str(version.id)
    assert "points" in describe_joint(finding.evidence)
    assert [event.finding_id for event in raised] == [finding.id]


def test_judging_again_changes_nothing(assignment):
    learn(assignment, 300)
    store_one(assignment, ODD)
    judge_new_results()
    JUDGED.clear()
    assert judge_new_results() == 1
    assert Finding.objects.count() == 1
    assert judge_new_results() == 0


@pytest.mark.parametrize(
    ("count", "stage", "severity", "is_provisional"),
    [
        (80, Stage.PROVISIONAL, "info", True),
        (250, Stage.EARLY, "info", False),
        (600, Stage.FULL, "critical", False),
    ],
)
def test_severity_follows_the_stage(assignment, count, stage, severity, is_provisional):
    version = learn(assignment, count)
    standing = find_assignment_stage(KIND, assignment)
    assert (standing.stage, version.is_provisional) == (stage, is_provisional)
    store_one(assignment, ODD)
    judge_new_results()
    finding = Finding.objects.get()
    assert (finding.severity, finding.is_provisional) == (severity, is_provisional)


def test_below_fifty_results_it_only_says_that_it_is_learning(assignment):
    store_results(assignment, draw_observations(12, until=read_now()))
    with pytest.raises(StillLearning, match="learning 12/50"):
        start_training(kind=KIND, scope=scope_of(assignment))
    assert describe_stage(find_assignment_stage(KIND, assignment)).startswith("learning 12/50")
    store_one(assignment, ODD)
    assert judge_new_results() == 0
    assert not Finding.objects.exists()


def test_within_an_hour_only_a_greater_oddity_is_another_finding(assignment):
    learn(assignment, 300)
    for values in (ODD, ODD, {**ODD, KEYS[1]: 0.9, KEYS[0]: 2.0, KEYS[2]: 1.0}):
        store_one(assignment, values)
        judge_new_results()
    scores = list(Finding.objects.order_by("started_at").values_list("score", flat=True))
    assert len(scores) == 2
    assert scores[1] > 1.25 * scores[0]


def test_a_result_that_an_agent_kept_back_for_days_is_judged(assignment):
    learn(assignment, 300)
    late = read_now() - timedelta(days=3, minutes=7)
    run = store_one(assignment, ODD, started_at=late, finished_at=late)
    Run.objects.filter(id=run.id).update(start_at=late)
    judge_new_results()
    assert Finding.objects.get().started_at == late


def test_disturbed_and_failed_runs_are_neither_learned_nor_judged(assignment):
    learn(assignment, 300)
    disturbed = store_one(assignment, ODD)
    Run.objects.filter(id=disturbed.id).update(is_overlapped=True)
    store_one(assignment, ODD, outcome=Result.Outcome.ABORTED)
    assert judge_new_results() == 0
    counts = LEARNER.count_rows([scope_of(assignment)], read_now())
    assert counts == {scope_of(assignment): 300}


def test_confirmed_faults_are_not_learned_and_rejected_ones_are(assignment):
    learn(assignment, 300)
    run = store_one(assignment, ODD)
    judge_new_results()
    finding = Finding.objects.get()
    ann, ben = make_user("ann", "admin"), make_user("ben", "admin")
    now = read_now()
    at = Result.objects.get(run=run).started_at.timestamp()
    assert at in LEARNER.collect(scope_of(assignment), now).at
    Feedback.objects.create(finding=finding, verdict="confirmed", said_by=ann, said_at=now)
    rows = LEARNER.collect(scope_of(assignment), now)
    assert (at in rows.at, len(rows)) == (False, 300)
    later = now + timedelta(seconds=1)
    Feedback.objects.create(finding=finding, verdict="not_a_problem", said_by=ben, said_at=later)
    assert at in LEARNER.collect(scope_of(assignment), now).at


def test_a_model_of_other_features_is_not_asked(assignment):
    version = learn(assignment, 300)
    ModelVersion.objects.filter(id=version.id).update(schema_hash="0" * 16)
    store_one(assignment, ODD)
    assert judge_new_results() == 0
    assert not Finding.objects.exists()


def test_what_failed_beside_it_is_a_circumstance(assignment):
    until = read_now() - timedelta(minutes=10)
    store_results(assignment, draw_observations(60, until=until))
    other = make_assignment(assignment.client, "Other")
    runs = store_results(other, draw_observations(60, until=until - timedelta(minutes=1)))
    Result.objects.filter(run__in=runs[30:]).update(is_success=False)
    rows = LEARNER.collect(scope_of(assignment), read_now())
    beside = rows.values[:, rows.features.index("context:client_failing")]
    assert set(beside[:30]) == {0.0}
    assert set(beside[30:]) == {1.0}


def test_scopes_are_assignments_that_run_and_measure_numbers(assignment):
    gone = make_assignment(assignment.client, "Gone")
    gone.removed_at = read_now()
    gone.save()
    assert list(LEARNER.list_scopes()) == [scope_of(assignment)]
    with pytest.raises(ValueError, match="no such assignment"):
        LEARNER.collect(Scope(), read_now())


def test_a_look_takes_as_many_queries_for_many_results_as_for_few(
    assignment, django_assert_max_num_queries
):
    learn(assignment, 300)
    for _number in range(20):
        store_one(assignment, USUAL)
    with django_assert_max_num_queries(20):
        assert judge_new_results() == 20


def test_a_process_remembers_a_bounded_number_of_runs():
    memory = joint.Memory(most=3)
    memory.add(range(5))
    assert [number in memory for number in range(5)] == [False, False, True, True, True]
