"""The API's description: whole, without warnings, and true."""

import re
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from apps.ingest import openapi, structures
from apps.metrics.services import hash_layout
from tests.api import matrix
from tests.factories import wire
from tests.factories.accounts import make_user
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.any_database

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return [
        (path, method, operation)
        for path, item in schema["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_description_is_made_without_a_warning():
    output = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=output)
    assert "openapi: 3.1.0" in output.getvalue()


def test_every_route_and_method_of_the_api_is_described(schema):
    described = {(path, method.upper()) for path, method, _operation in operations(schema)}
    expected = {
        ("/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route), method)
        for route, methods in {**matrix.API, **matrix.DOOR}.items()
        for method in methods
        if route != "api/schema/"
    }
    assert described == expected


def test_every_operation_has_a_summary_a_known_tag_and_its_refusals(schema):
    tags = {tag["name"] for tag in schema["tags"]}
    for path, method, operation in operations(schema):
        assert operation["summary"], (method, path)
        assert set(operation["tags"]) <= tags, (method, path)
        assert "401" in operation["responses"], (method, path)
        if "{" in path:
            assert "404" in operation["responses"], (method, path)


def test_every_operation_has_a_name_of_its_own(schema):
    names = [operation["operationId"] for _path, _method, operation in operations(schema)]
    assert len(names) == len(set(names))


def test_both_ways_to_prove_oneself_are_described(schema):
    schemes = schema["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    assert "agentKey" in schemes
    assert "cookieAuth" in schemes


@pytest.mark.django_db
def test_a_refusal_looks_as_described(schema, client):
    described = Draft202012Validator(schema["components"]["schemas"]["Error"])
    client.force_login(make_user("ann", "viewer"))
    for path in ("/api/v1/series/", f"/api/v1/tests/{uuid4()}/", "/api/v1/users/"):
        assert not list(described.iter_errors(client.get(path).json())), path


@pytest.mark.django_db
def test_the_documents_example_of_an_upload_is_taken(client):
    example = openapi.RECORDS_EXAMPLE
    ((name, keys),) = example["layouts"].items()
    assert name == hash_layout(keys)
    fresh = {**example["records"][0], "at": wire.frame()["at"]}
    key = make_key(make_client())
    answer = wire.post(client, "records", {**example, "records": [fresh]}, key)
    assert answer.json() == {"stored": ["1"], "duplicate": [], "rejected": []}


@pytest.mark.parametrize("kind", sorted(structures.DATA_TYPES))
def test_what_the_description_says_of_a_record_is_what_the_decoder_takes(kind):
    records = {
        "frame": wire.frame(),
        "fact": wire.fact(),
        "result": wire.result(uuid4(), run=uuid4()),
        "inventory": wire.record("inventory", {"hostname": "x"}),
        **{
            kind: wire.record(kind, {"source": {"kind": kind}, "document": {"total": 1}})
            for kind in ("processes", "connections")
        },
    }
    described = Draft202012Validator(openapi.describe_record(kind))
    assert not list(described.iter_errors(records[kind]))


@pytest.mark.django_db
def test_the_description_is_for_people_who_signed_in(client):
    assert client.get("/api/schema/").status_code == 401
    client.force_login(make_user("ann"))
    answer = client.get("/api/schema/")
    assert answer.status_code == 200
    assert b"/api/v1/series/" in answer.content
