"""Findings over the API: read with filters, and told what they really were."""

import pytest

from apps.ml.models import Feedback
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.findings import make_diagnosis, make_finding

pytestmark = pytest.mark.django_db


@pytest.fixture
def probe():
    return make_client("probe", site="vienna", tags=["edge"])


@pytest.fixture
def operator(client):
    user = make_user("otto", "operator", site="vienna")
    client.force_login(user)
    return user


def say(client, path, **word):
    return client.post(path, word, content_type="application/json")


def test_a_finding_is_told_with_its_sentence_and_figures(client, operator, probe):
    finding = make_finding(probe)
    (row,) = client.get("/api/v1/findings/").json()["results"]
    assert row["id"] == str(finding.id)
    assert row["sentence"].startswith("Processor use: outside the range")
    assert row["evidence"]["ratio"] == 1.12
    assert client.get(f"/api/v1/findings/{finding.id}/").json() == row


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        ("kind=diagnosis", 1),
        ("severity=critical", 1),
        ("severity=critical&severity=warning", 2),
        ("site=vienna", 2),
        ("site=graz", 0),
        ("tag=edge", 2),
        ("cause=range", 1),
        ("metric=system.cpu.utilization", 1),
        ("since=2099-01-01T00:00:00Z", 0),
        ("until=2099-01-01T00:00:00Z", 2),
        ("feedback=none", 1),
        ("feedback=not_a_problem", 1),
        ("provisional=true", 0),
    ],
)
def test_the_list_is_narrowed(client, operator, probe, query, count):
    make_finding(probe)
    other = make_finding(probe, "diagnosis", severity="critical")
    make_finding(make_client("hidden", site="graz"))
    say(client, f"/api/v1/findings/{other.id}/feedback/", verdict="not_a_problem")
    assert client.get(f"/api/v1/findings/?{query}").json()["count"] == count


def test_a_word_is_kept_replaced_and_taken_back(client, operator, probe):
    finding = make_finding(probe, "diagnosis")
    path = f"/api/v1/findings/{finding.id}/feedback/"
    assert say(client, path, verdict="confirmed").json()["said_by"] == "otto"
    answer = say(client, path, verdict="other_cause", cause="dns_slow", note="resolver moved")
    assert answer.json()["cause"] == "dns_slow"
    (told,) = client.get(f"/api/v1/findings/{finding.id}/").json()["feedback"]
    assert (told["verdict"], told["note"]) == ("other_cause", "resolver moved")
    assert client.delete(path).status_code == 204
    assert not Feedback.objects.exists()


def test_a_word_without_meaning_is_refused_by_field(client, operator, probe):
    path = f"/api/v1/findings/{make_finding(probe).id}/feedback/"
    answer = say(client, path, verdict="other_cause")
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == "cause"
    answer = say(client, path, verdict="perhaps", cause="gremlins")
    assert {error["field"] for error in answer.json()["data"]["errors"]} == {"verdict", "cause"}


def test_the_same_is_said_of_several_or_of_none(client, operator, probe):
    rows = [make_finding(probe, metric=name) for name in "abc"]
    hidden = make_finding(make_client("hidden", site="graz"))
    ids = [str(row.id) for row in rows]
    answer = say(client, "/api/v1/findings/bulk/", verdict="confirmed", ids=[*ids, str(hidden.id)])
    assert answer.status_code == 400
    assert not Feedback.objects.exists()
    answer = say(client, "/api/v1/findings/bulk/", verdict="not_a_problem", ids=ids)
    assert len(answer.json()) == 3
    assert Feedback.objects.filter(said_by=operator).count() == 3


def test_how_often_findings_were_wrong_is_told_by_channel(client, operator, probe):
    for cause, verdict in (("range", "confirmed"), ("range", "not_a_problem")):
        finding = make_finding(probe, cause=cause)
        say(client, f"/api/v1/findings/{finding.id}/feedback/", verdict=verdict)
    (rate,) = client.get("/api/v1/findings/false-rates/").json()
    assert (rate["kind"], rate["cause"], rate["said"], rate["false"]) == (
        "series_anomaly",
        "range",
        2,
        1,
    )
    assert rate["low"] < 0.5 < rate["high"]
    assert client.get("/api/v1/findings/false-rates/?cause=shift").json() == []


def test_a_word_on_a_diagnosis_is_one_on_its_finding(client, operator, probe):
    diagnosis = make_diagnosis(probe, cause="lan")
    path = f"/api/v1/diagnoses/{diagnosis.id}/feedback/"
    assert say(client, path, verdict="confirmed").json()["finding"] == str(diagnosis.finding_id)
    silent = make_diagnosis(probe)
    path = f"/api/v1/diagnoses/{silent.id}/feedback/"
    answer = say(client, path, verdict="other_cause", cause="disk")
    assert answer.json()["diagnosis"] == str(silent.id)


def test_who_may_only_look_says_nothing(client, probe):
    finding = make_finding(probe)
    client.force_login(make_user("vera", "viewer", site="vienna"))
    path = f"/api/v1/findings/{finding.id}/feedback/"
    assert say(client, path, verdict="confirmed").status_code == 403
    assert not Feedback.objects.exists()
