"""Documents of processes and connections at the agents' door."""

import json
from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.ingest.checks import DOCUMENT_LIMIT_BYTES
from apps.metrics.models import Document, Source
from apps.metrics.published import DocumentRecorded
from tests.contract.wire_contract import read_example
from tests.factories import wire
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

PROCESSES = read_example("record_processes")["data"]["document"]


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def document(body=PROCESSES, *, kind="processes", source=None, **envelope):
    named = {"kind": kind, "subject": ""} if source is None else source
    return wire.record(kind, {"source": named, "document": body}, **envelope)


def nest(depth):
    return {"deeper": nest(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize("kind", ["processes", "connections"])
def test_a_document_is_stored_with_its_source(client, key, probe, kind):
    now = read_now()
    answer = wire.send(client, key, document({"total": 1}, kind=kind, id="a", at=now))
    assert answer["stored"] == ["a"]
    stored = Document.objects.get()
    assert (stored.source.kind, stored.source.subject) == (kind, "")
    assert stored.source.client_id == probe.id
    assert stored.body == {"total": 1}
    assert stored.at == now
    assert stored.received_at >= now


def test_a_second_document_of_one_moment_is_a_duplicate(client, key):
    now = read_now()
    first, second = document(id="a", at=now), document({"total": 2}, id="b", at=now)
    answer = wire.send(client, key, first, second)
    assert (answer["stored"], answer["duplicate"]) == (["a"], ["b"])
    assert wire.send(client, key, first)["duplicate"] == ["a"]
    assert Document.objects.get().body == PROCESSES


def test_two_kinds_of_one_moment_are_two_documents(client, key):
    now = read_now()
    pair = (document(id="a", at=now), document({}, kind="connections", id="b", at=now))
    assert wire.send(client, key, *pair)["stored"] == ["a", "b"]


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "host", "subject": ""},
        {"kind": "connections", "subject": ""},
        {"kind": "processes", "subject": "eth0"},
        {"kind": "assignment", "subject": ""},
    ],
)
def test_a_document_of_another_source_is_refused(client, key, source):
    answer = wire.send(client, key, document(source=source, id="a"), wire.frame(id="b"))
    assert answer["stored"] == ["b"]
    (refused,) = answer["rejected"]
    assert (refused["code"], refused["field"]) == ("malformed", "data.source")
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (nest(9), "too_deep", "8 levels"),
        ({"rows": ["x" * 1000] * 70}, "too_long", f"{DOCUMENT_LIMIT_BYTES} of a document"),
        ({"name": "x" * 5000}, "too_long", "4096 characters"),
        ({"name": "a\x00b"}, "bad_text", "NUL"),
        ({"a\x00b": 1}, "bad_text", "NUL"),
        ([], "malformed", "object"),
        ("text", "malformed", "object"),
        (None, "malformed", "object"),
        (10**30, "malformed", "object"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_limit(client, key, body, code, detail):
    answer = wire.send(client, key, document(body, id="a"), wire.frame(id="b"))
    assert answer["stored"] == ["b"]
    (refused,) = answer["rejected"]
    assert refused["code"] == code
    assert refused["field"].startswith("data.document")
    assert detail in refused["detail"]


def test_eight_levels_and_just_under_the_limit_are_taken(client, key):
    now = read_now()
    deep = document(nest(8), id="a", at=now)
    wide = document({"x": ["y" * 997] * 63}, id="b", at=now + timedelta(seconds=1))
    assert wire.send(client, key, deep, wide)["rejected"] == []


def test_numbers_that_json_does_not_know_are_refused(client, key):
    body = wire.batch(document({"cpu_ratio": "NAN"}, id="a"), wire.frame(id="b"))
    text = json.dumps(body).replace('"NAN"', "NaN").encode()
    answer = wire.post(client, "records", text, key).json()
    assert answer["stored"] == ["b"]
    assert wire.codes(answer) == {"a": "not_finite"}


@pytest.mark.parametrize(
    ("shift", "code"), [(timedelta(days=-8), "too_old"), (timedelta(days=2), "in_future")]
)
def test_a_document_of_another_age_is_refused(client, key, shift, code):
    answer = wire.send(client, key, document(id="a", at=read_now() + shift))
    assert wire.codes(answer) == {"a": code}
    assert not Source.objects.exists()


def test_a_document_without_one_is_refused(client, key):
    record = wire.record("processes", {"source": {"kind": "processes", "subject": ""}}, id="a")
    answer = wire.send(client, key, record)
    assert answer["rejected"][0]["field"] == "data.document"


def test_a_new_document_is_announced_once(client, key, probe, monkeypatch):
    announced = []
    monkeypatch.setattr("apps.metrics.services.recording.publish", announced.append)
    now = read_now()
    wire.send(client, key, document(id="a", at=now))
    wire.send(client, key, document(id="a", at=now))
    assert announced == [DocumentRecorded(probe.id, "processes", now)]


def test_agents_are_told_how_often(client, key):
    answer = client.get("/api/v1/agent/config", headers={"authorization": f"Agent {key}"})
    collectors = answer.json()["collectors"]
    assert collectors["processes"] == {"interval_seconds": 60, "is_enabled": True}
    assert collectors["connections"] == {"interval_seconds": 60, "is_enabled": True}
    assert "hardware" in collectors
