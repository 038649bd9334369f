"""What is said of a single result as a whole, on demand: by which model, and why nothing."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.jobs.services import run_due_jobs
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.stages import Stage
from apps.ml.models import ModelVersion
from apps.ml.selectors.champions import SHELF
from apps.ml.selectors.joint import KIND, judge_run
from apps.ml.selectors.observations import tells_of_host
from apps.ml.services.joint import JUDGED, judge_new_results
from apps.ml.services.trainings import start_training
from apps.tests.models import Result
from tests.factories.clients import make_client
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [metric.key for metric in METRICS]
USUAL = dict(zip(KEYS, (0.0253, 0.0, 0.00253, 0.02, 0.0345), strict=True))
ODD = dict(zip(KEYS, (0.1, 0.2, 0.05, 0.02, 0.4), strict=True))


@pytest.fixture
def assignment():
    SHELF.clear()
    JUDGED.clear()
    return make_assignment(make_client("probe"), "Path")


def judge(run, *, shows_host=True):
    return judge_run(run, Result.objects.get(run=run), shows_host=shows_host)


def learn(assignment, count):
    until = read_now() - timedelta(minutes=10)
    runs = store_results(assignment, draw_observations(count, every_seconds=3600.0, until=until))
    training = start_training(kind=KIND, scope=Scope("assignment", str(assignment.id)))
    run_due_jobs("ml")
    training.refresh_from_db()
    assert training.state == "done", training.decision
    # Whether so few rows prove an advantage is the gate's business, and tested with it.
    ModelVersion.objects.update(state="champion")
    return runs, training.result


def test_any_result_has_a_score_and_reasons_by_the_model_in_use(assignment):
    runs, version = learn(assignment, 300)
    odd = judge(store_one(assignment, ODD))
    assert odd.score > 1
    assert odd.is_unusual
    assert odd.contributions[0]["points"] >= odd.contributions[-1]["points"] > 0
    assert {"subject", "points", "value", "low", "high"} == set(odd.contributions[0])
    assert (odd.version, odd.version_id) == (version.version, version.id)
    assert (odd.finding_id, odd.is_learned) == (None, False)
    usual = judge(store_one(assignment, USUAL))
    assert 0 <= usual.score < odd.score
    assert judge(runs[150]).is_learned


def test_a_finding_keeps_what_was_said_when_the_result_came_in(assignment):
    _runs, version = learn(assignment, 300)
    judge_new_results()
    run = store_one(assignment, ODD)
    judge_new_results()
    found = judge(run)
    assert found.finding_id is not None
    assert (found.version, found.stage.stage) == (version.version, Stage.EARLY)
    ModelVersion.objects.update(state="retired")
    assert judge(run) == found


def test_without_a_model_it_says_how_far_learning_is(assignment):
    store_results(assignment, draw_observations(12, until=read_now()))
    found = judge(store_one(assignment, ODD))
    assert (found.score, found.contributions) == (None, ())
    assert (found.stage.stage, found.stage.count) == (Stage.LEARNING, 13)
    assert "Nothing was learned yet" in found.reason


def test_disturbed_and_failed_runs_say_why_they_are_not_judged(assignment):
    learn(assignment, 60)
    disturbed = store_one(assignment, ODD)
    disturbed.is_overlapped = True
    disturbed.save()
    assert judge(disturbed).reason == "An exclusive run disturbed it."
    aborted = store_one(assignment, ODD, outcome=Result.Outcome.ABORTED)
    assert judge(aborted).reason == "The run was not completed."


def test_who_may_not_see_the_client_is_shown_nothing_of_its_host(assignment):
    learn(assignment, 300)
    judge_new_results()
    run = store_one(assignment, ODD)
    judge_new_results()
    shown = {one["subject"] for one in judge(run).contributions}
    hidden = {one["subject"] for one in judge(run, shows_host=False).contributions}
    assert hidden == {subject for subject in shown if not tells_of_host(subject)}
    assert tells_of_host("context:host_cpu")
    assert not tells_of_host("net.rtt.median")
