"""Requests of released agents, replayed: a server never stops understanding them.

A file is written once, with the release whose agent sent it, and never edited; a later version of
the wire gets a folder beside `v1`.
"""

import gzip
import json
from datetime import datetime
from pathlib import Path

import pytest
import time_machine

from apps.clients.models import EnrolmentToken
from apps.clients.services.enrolment import digest_secret
from apps.core.clock import read_now
from apps.metrics.writers import ensure_partitions
from tests.contract.wire_contract import list_violations
from tests.factories import wire

pytestmark = pytest.mark.django_db

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/*.json"))
TOKEN_LIFE_HOURS = 1


@pytest.fixture(params=GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def golden(request, example_assignment):
    document = json.loads(request.param.read_text())
    moment = datetime.fromisoformat(document["at"])
    with time_machine.travel(moment, tick=False):
        ensure_partitions(read_now())
        if document["call"] == "enrol":
            admit(document["body"]["token"])
        yield document


def admit(secret):
    now = read_now()
    EnrolmentToken.objects.create(
        name="golden",
        digest=digest_secret(secret),
        created_at=now,
        expires_at=now.replace(hour=now.hour + TOKEN_LIFE_HOURS),
    )


def replay(client, key, golden):
    body = gzip.compress(json.dumps(golden["body"]).encode())
    return wire.post(client, golden["call"], body, key, headers={"content-encoding": "gzip"})


def test_a_released_agent_is_answered_as_ever(client, key, golden):
    answer = replay(client, key, golden)
    assert answer.status_code == golden["status"], answer.content
    document = answer.json()
    assert {name: document[name] for name in golden["answer"]} == golden["answer"]
    assert list_violations(f"{golden['call']}_answer", document) == []


def test_golden_requests_keep_the_schema_and_show_every_call(golden):
    assert list_violations(f"{golden['call']}_request", golden["body"]) == []
    calls = {json.loads(path.read_text())["call"] for path in GOLDEN}
    assert calls == {"enrol", "heartbeat", "leases", "records"}


@pytest.mark.parametrize("later_field", [1, "text", [None], {"deep": {"deeper": []}}])
def test_fields_of_later_agents_are_ignored(later_field, client, key, golden):
    golden["body"]["later_field"] = later_field
    for record in golden["body"].get("records", ()):
        record["later_field"] = later_field
        record["data"]["later_field"] = later_field
    answer = replay(client, key, golden)
    assert answer.status_code == golden["status"], answer.content
    assert answer.json().get("rejected", []) == []
