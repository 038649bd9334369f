"""What is said of results, of learning and of what comes, by the API."""

import json
from uuid import uuid4

import pytest

from apps.core.clock import read_now
from apps.ml.models import Finding
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.health import make_score
from tests.factories.observing import METRICS, draw_observations, store_one, store_results
from tests.factories.tests import make_assignment, make_run

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

USUAL = {metric.key: 0.02 for metric in METRICS}


@pytest.fixture
def probe():
    return make_client("probe", site="vienna")


@pytest.fixture
def assignment(probe):
    assignment = make_assignment(probe, "Path", target="192.0.2.1")
    store_results(assignment, draw_observations(30, every_seconds=600.0, until=read_now()))
    return assignment


@pytest.fixture
def api(client):
    client.force_login(make_user("root", "admin"))

    def read(path):
        answer = client.get(f"/api/v1/{path}")
        return answer.status_code, answer.json()

    return read


def test_a_result_that_became_a_finding_says_why_and_one_without_a_model_how_far_it_is(
    api, assignment
):
    run = store_one(assignment, USUAL)
    status, found = api(f"runs/{run.id}/judgement/")
    assert (status, found["score"], found["stage"]) == (200, None, "learning")
    assert found["stage_words"] == "learning 31/50: until then rules alone decide"
    assert "Nothing was learned yet" in found["reason"]
    part = {"subject": METRICS[1].key, "points": 61.0, "value": 0.031, "low": 0.0, "high": 0.002}
    finding = Finding.objects.create(
        kind="joint_anomaly",
        severity="info",
        client=assignment.client,
        test=assignment.test,
        run=run,
        started_at=read_now(),
        ended_at=read_now(),
        score=1.64,
        evidence={"contributions": [part], "version": 4},
        created_at=read_now(),
    )
    _status, found = api(f"runs/{run.id}/judgement/")
    assert (found["score"], found["is_unusual"], found["version"]) == (1.64, True, 4)
    assert found["finding"] == str(finding.id)
    [told] = found["contributions"]
    assert told["text"] == "packet loss 3.1 % (usual 0 to 0.2 %) +61 points"
    assert api(f"runs/{make_run(assignment).id}/judgement/")[0] == 404


def test_learning_says_what_there_is_and_what_is_needed(api, assignment):
    _status, found = api(f"assignments/{assignment.id}/learning/")
    rows = {row["kind"]: row for row in found["models"]}
    joint = rows["joint_anomaly"]
    assert (joint["stage"], joint["count"], joint["needed"], joint["model"]) == (
        "learning", 30, 50, None,
    )  # fmt: skip
    assert joint["words"] == "learning 30/50: a first model at 50 results"
    assert found["series"] == {"judged": 0, "learning": 0, "least_values": 0, "needed": 200}
    _status, found = api(f"clients/{assignment.client_id}/learning/")
    [joint] = [row for row in found["models"] if row["kind"] == "joint_anomaly"]
    assert (joint["test_count"], joint["stages"]) == (1, {"learning": 1})


def test_without_a_class_and_a_prediction_they_say_why(api, assignment):
    make_score(assignment=assignment, score=90)
    status, found = api(f"assignments/{assignment.id}/health-class/")
    assert (status, found["probability"], found["agreement"]) == (200, None, "")
    assert "Nothing was learned yet" in found["reason"]
    status, found = api(f"assignments/{assignment.id}/prediction/")
    assert (status, found["values"], found["model"]) == (200, [], None)
    assert "Nothing was learned yet" in found["reason"]
    assert api(f"assignments/{uuid4()}/prediction/")[0] == 404


def test_a_test_that_is_not_made_yet_is_predicted_by_others_results(client, api, assignment):
    def ask(**asked):
        body = json.dumps(asked)
        answer = client.post("/api/v1/tests/prediction/", body, "application/json")
        return answer.status_code, answer.json()

    status, found = ask(kind="ping", target="192.0.2.1", clients=[str(assignment.client_id)])
    assert (status, found["basis"], found["count"]) == (200, "same", 30)
    rtt = found["figures"][0]
    assert (rtt["key"], rtt["count"]) == ("net.rtt.median", 30)
    assert rtt["low"] <= rtt["middle"] <= rtt["high"]
    assert ask(kind="dns")[1]["basis"] is None
    assert ask(kind="ping", target="300.1.1.1")[0] == 400
    assert ask(kind="nothing")[0] == 400
