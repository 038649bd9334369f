"""The users' API under hostile input: never a server error, and each refusal names its field."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security import hostile

pytestmark = pytest.mark.django_db

API = SchemaGenerator().get_schema(request=None, public=True)["paths"]
LISTS = sorted(
    path
    for path, operations in API.items()
    if "get" in operations and "{" not in path and not path.startswith("/api/v1/agent/")
)
TEST = {
    "name": "Gateway",
    "kind": "ping",
    "target": "192.0.2.1",
    "duration_seconds": 10,
    "sample_interval_seconds": 1,
    "schedule_kind": "every",
    "every_seconds": 60,
    "slip_seconds": 5,
    "start_at": "2026-01-31T12:00:00Z",
    "parameters": {"interval_seconds": 0.5},
    "clients": [],
}
WEB_TEST = {
    **TEST,
    "kind": "http",
    "target": "https://example.org/",
    "parameters": {},
}
HOST_KINDS = {
    "ping": {},
    "tcp": {"port": 22},
    "dns": {"name": "example.org"},
    "trace": {},
    "mtu": {},
}
REFUSED_TARGETS = (
    ";id", "$(id)", "`id`", "|id", "a b", "a\nb", "a\x00b", "-oProxyCommand=x", "--help", "-1",
    "", " ", ".", "..", "a..b", "\u202ehost", "\ud800", "x" * 254, "1.2.3", "999.999.999.999",
    "0x7f000001", "2130706433", "[::1", "::g", "host/path", "user@host", "host:22", "file:///etc",
    "%00", "*", "'; DROP TABLE tests;--", None, [], {}, 1.5, True,
)  # fmt: skip
REFUSED_URLS = (
    "file:///etc/passwd", "gopher://host/", "javascript:alert(1)", "http://", "http:///path",
    "http://user:password@host/", "http://-host/", "http://host:99999/", "http://host:port/",
    "http://host/\r\nHost: other", "http://a b/", "//host/", "host", "http://[::1", "http://;id/",
    "http://\u202ehost/", "http://\ud800/", "http://host/\x00", "http://" + "x" * 3000,
)  # fmt: skip
TAKEN_TARGETS = (
    "169.254.169.254",
    "127.0.0.1",
    "::1",
    "example.org",
    "EXAMPLE.org.",
    "b\u00fccher.example",
)

per_database = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=hostile.scale_examples(0.1),
)


# Its callers read the shape of Prometheus' own refusals.
PROMETHEUS = "/api/v1/prometheus/"


def check_answer(answer):
    """Nothing is the server's fault; a broken rule names its field."""
    assert answer.status_code < 500, answer.content
    if answer.status_code >= 400:
        refusal = answer.json()
        if answer.wsgi_request.path.startswith(PROMETHEUS):
            assert refusal["status"] == "error"
            assert refusal["errorType"]
            assert refusal["error"]
            return
        assert set(refusal) >= {"code", "detail", "data"}
        if answer.status_code == 400:
            assert refusal["data"]["errors"]
            assert all(error["field"] for error in refusal["data"]["errors"])


def list_parameters(path):
    parameters = API[path]["get"].get("parameters", [])
    return [item["name"] for item in parameters if item["in"] == "query"]


def queries(path, known_values):
    names = st.sampled_from([*list_parameters(path), "page", "page_size", "ordering", "format"])
    values = st.sampled_from([*known_values, *map(str, hostile.NUMBERS)]) | hostile.texts
    return st.lists(st.tuples(names | hostile.texts, values), max_size=6)


@pytest.mark.parametrize("path", LISTS)
@per_database
@given(data=st.data())
def test_any_query_of_a_list_is_answered(administrator, probe, path, data):
    pairs = data.draw(queries(path, [str(probe.id), "name", "-name", "json", "2"]))
    check_answer(administrator.get(path, QUERY_STRING=hostile.write_query(pairs)))


SERIES = {"metric": "system.cpu.utilization", "points": "10", "source_kind": "host", "subject": ""}
MOMENTS = ("0", "1769860800", "253370764800", "1e12", "-1", "nan", "2026-01-31T12:00:00+00:00")


@per_database
@given(data=st.data())
def test_any_query_of_a_series_is_answered(administrator, probe, data):
    known = {**SERIES, "client": str(probe.id)}
    names = st.sampled_from([*known, "start", "end", "test"])
    values = st.sampled_from([*MOMENTS, *map(str, hostile.NUMBERS)]) | hostile.texts
    changed = data.draw(st.dictionaries(names, values, max_size=4))
    query = hostile.write_query([*{**known, **changed}.items()])
    check_answer(administrator.get("/api/v1/series/", QUERY_STRING=query))


def post(client, path, tree):
    return client.post(path, hostile.write_json(tree), content_type="application/json")


@per_database
@given(tree=hostile.mutations([TEST, WEB_TEST]) | hostile.trees)
def test_any_definition_of_a_test_is_answered(operator, tree):
    check_answer(post(operator, "/api/v1/tests/", tree))


@per_database
@given(body=st.binary(max_size=100))
def test_any_bytes_as_a_definition_are_answered(operator, body):
    answer = operator.post("/api/v1/tests/", body, content_type="application/json")
    check_answer(answer)
    assert answer.status_code == 400


def list_wrong_fields(client, definition):
    answer = post(client, "/api/v1/tests/", definition)
    assert answer.status_code == 400, definition
    return [error["field"] for error in answer.json()["data"]["errors"]]


@pytest.mark.parametrize("kind", HOST_KINDS)
def test_what_is_no_host_is_refused_as_target(operator, kind):
    definition = {**TEST, "kind": kind, "parameters": HOST_KINDS[kind]}
    for target in REFUSED_TARGETS:
        assert list_wrong_fields(operator, {**definition, "target": target}) == ["target"], target


def test_what_is_no_url_is_refused_as_target(operator):
    for target in REFUSED_URLS:
        assert list_wrong_fields(operator, {**WEB_TEST, "target": target}) == ["target"], target


@pytest.mark.parametrize("target", TAKEN_TARGETS)
def test_every_host_is_taken_by_its_form_for_agents_to_judge(operator, target):
    assert post(operator, "/api/v1/tests/", {**TEST, "target": target}).status_code == 201
