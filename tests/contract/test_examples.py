"""The examples of docs/wire.md, sent to the real views."""

import json
from collections import Counter

import pytest

from apps.clients.models import EnrolmentToken
from apps.clients.services.enrolment import digest_secret
from apps.core.clock import read_now
from apps.metrics.models import Frame
from apps.tests.models import Result
from tests.contract.wire_contract import list_examples, list_violations, read_example
from tests.factories import wire

pytestmark = pytest.mark.django_db

RECORDS = [path for path in list_examples("valid") if path.stem.startswith("record_")]
INVALID = list_examples("invalid")


def name_of(path):
    return path.stem


def send_batch(client, key, batch):
    """The answer to a batch; ASCII, because an example may hold half of a surrogate pair."""
    answer = wire.post(client, "records", json.dumps(batch).encode("ascii"), key)
    assert answer.status_code == 200, answer.content
    assert list_violations("records_answer", answer.json()) == []
    return answer.json()


@pytest.mark.parametrize("path", RECORDS, ids=name_of)
def test_a_valid_record_is_stored_once(path, client, key, example_assignment):
    record = json.loads(path.read_text())
    batch = {**read_example("records_request"), "records": [record]}
    assert send_batch(client, key, batch)["stored"] == [record["id"]]
    again = send_batch(client, key, batch)
    # An inventory replaces the one before, so the same one twice is not a double.
    expected = "stored" if record["kind"] == "inventory" else "duplicate"
    assert again[expected] == [record["id"]]


def test_the_valid_batch_is_stored_whole(client, key, probe, example_assignment):
    batch = read_example("records_request")
    answer = send_batch(client, key, batch)
    assert answer["rejected"] == []
    assert Counter(answer["stored"]) == Counter(record["id"] for record in batch["records"])
    assert Frame.objects.count() == 2
    assert Result.objects.get().run.assignment == example_assignment
    probe.refresh_from_db()
    assert probe.hostname == "edge-1"


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_record_is_refused_with_its_code_and_its_neighbours_are_stored(
    path, client, key, example_assignment
):
    example = json.loads(path.read_text())
    (bad,) = example["batch"]["records"]
    neighbours = read_example("records_request")
    batch = {
        "batch": neighbours["batch"],
        "layouts": example["batch"]["layouts"] | neighbours["layouts"],
        "records": [*neighbours["records"], {**bad, "id": "bad"}],
    }
    answer = send_batch(client, key, batch)
    assert [(item["id"], item["code"]) for item in answer["rejected"]] == [("bad", example["code"])]
    assert answer["rejected"][0]["field"]
    assert answer["rejected"][0]["detail"]
    assert len(answer["stored"]) == len(neighbours["records"])


def test_the_enrolment_example_makes_a_client(client, example_day):
    body = read_example("enrol_request")
    EnrolmentToken.objects.create(
        name="example",
        digest=digest_secret(body["token"]),
        created_at=read_now(),
        expires_at=example_day.replace(hour=13),
    )
    answer = client.post("/api/v1/agent/enrol", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    assert list_violations("enrol_answer", answer.json()) == []
    assert answer.json()["name"] == body["name"]


@pytest.mark.parametrize("call", ["heartbeat", "leases"])
def test_the_example_of_a_call_is_accepted(call, client, key, example_assignment):
    answer = wire.post(client, call, read_example(f"{call}_request"), key)
    assert answer.status_code == 200, answer.content
    assert list_violations(f"{call}_answer", answer.json()) == []
