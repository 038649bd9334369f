"""Uploads past the framework: the same answers as through it."""

import io
import json

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import OperationalError

from apps.core.measuring import REQUEST_SECONDS
from apps.ingest import shortcut
from apps.metrics.models import Frame
from streamswarm.wsgi import agent_door
from tests.factories import wire
from tests.factories.clients import make_client, make_key

# The door closes connections between calls, which no test transaction survives.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key():
    return make_key(make_client())


def describe(body, key, **changes):
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/api/v1/agent/records",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Agent {key}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
        **changes,
    }


def answer(environ, call=agent_door):
    started = []
    parts = call(environ, lambda status, headers: started.append((status, dict(headers))))
    body = b"".join(parts)
    status, headers = started[0]
    return int(status[:3]), headers, json.loads(body) if body[:1] == b"{" else body


def batch_of(*records):
    return json.dumps(wire.batch(*records)).encode()


def through_framework(environ, start_response):
    return WSGIHandler.__call__(agent_door, environ, start_response)


def count_measured():
    samples = [sample for metric in REQUEST_SECONDS.collect() for sample in metric.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name.endswith("_count") and sample.labels["route"] == shortcut.RECORDS_ROUTE
    )


def test_an_upload_is_answered_as_the_framework_would(key):
    body = batch_of(wire.frame())
    status, headers, document = answer(describe(body, key))
    assert (status, len(document["stored"])) == (200, 1)
    again = answer(describe(body, key))
    assert again == answer(describe(body, key), through_framework)
    assert again[2]["duplicate"] == document["stored"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert Frame.objects.count() == 1


def test_an_upload_is_measured_once(key):
    before = count_measured()
    answer(describe(batch_of(wire.frame()), key))
    assert count_measured() == before + 1
    answer(describe(b"{", key))
    assert count_measured() == before + 2


@pytest.mark.parametrize(
    ("body", "changes", "status", "code"),
    [
        (b"{}", {"HTTP_AUTHORIZATION": "Agent 00000000.nobody"}, 401, "key_unknown"),
        (b"{}", {"HTTP_AUTHORIZATION": ""}, 401, "key_unknown"),
        (b"{", {}, 400, "malformed_batch"),
        (b"{}", {"CONTENT_LENGTH": "99999999"}, 413, "too_large"),
        (b"no gzip", {"HTTP_CONTENT_ENCODING": "gzip"}, 400, "malformed_batch"),
    ],
)
def test_a_failure_is_answered_as_the_framework_would(key, body, changes, status, code):
    given = answer(describe(body, key, **changes))
    assert (given[0], given[2]["code"]) == (status, code)
    assert given == answer(describe(body, key, **changes), through_framework)


def test_a_fault_of_the_database_is_met_once_and_says_when_to_come_back(key, monkeypatch):
    calls = []

    def fail(**given):
        calls.append(given)
        raise OperationalError("the server went away")

    monkeypatch.setattr(shortcut, "store_batch", fail)
    status, headers, document = answer(describe(batch_of(wire.frame()), key))
    assert (status, document["code"]) == (503, "database_unavailable")
    assert int(headers["Retry-After"]) > 0
    assert len(calls) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTP_HOST": "elsewhere.example"},
        {"HTTP_HOST": ""},
        {"REQUEST_METHOD": "GET"},
        {"CONTENT_TYPE": "text/plain"},
        {"CONTENT_TYPE": "application/json; charset=utf-8"},
        {"PATH_INFO": "/api/v1/agent/records/"},
    ],
)
def test_what_is_unlike_most_uploads_is_left_to_the_framework(key, changes):
    assert shortcut.is_usual_upload(describe(b"{}", key))
    assert not shortcut.is_usual_upload(describe(b"{}", key, **changes))


def test_a_strange_host_stores_nothing(key):
    environ = describe(batch_of(wire.frame()), key, HTTP_HOST="elsewhere.example")
    assert answer(environ)[0] == 400
    assert not Frame.objects.exists()


def test_no_header_makes_a_failure(key):
    environ = describe(batch_of(wire.frame()), key, **{"HTTP_STREAMSWARM.FAILURE": "x"})
    assert answer(environ)[0] == 200
