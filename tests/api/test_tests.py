"""Tests, assignments, runs, results and kinds through the API."""

from uuid import uuid4

import pytest

from apps.core.clock import read_now
from apps.tests.kinds import KINDS
from apps.tests.models import Run, Test
from apps.tests.services import plan_runs
from tests.api.counting import count_queries
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.tests import forget_plans, make_assignment, make_result, make_run, make_test

pytestmark = pytest.mark.django_db

TESTS = "/api/v1/tests/"
JSON = "application/json"
GOOD = {
    "name": "Gateway",
    "kind": "ping",
    "target": "192.0.2.1",
    "duration_seconds": 60,
    "sample_interval_seconds": 5,
    "schedule_kind": "every",
    "every_seconds": 300,
    "slip_seconds": 30,
    "parameters": {"interval_seconds": 0.5},
}


@pytest.fixture
def operator(client):
    client.force_login(make_user("ann", "operator"))
    return client


def fields(answer):
    return {item["field"] for item in answer.json()["data"]["errors"]}


def test_a_test_is_made_with_its_defaults_and_its_clients(operator):
    probe = make_client()
    answer = operator.post(TESTS, {**GOOD, "clients": [str(probe.id)]}, JSON)
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert document["clients"] == [str(probe.id)]
    assert document["parameters"]["size_bytes"] == 56
    assert (document["created_by"], document["schedule_revision"]) == ("ann", 1)
    assert operator.get(f"{TESTS}{document['id']}/").json() == document


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "weather"}, "kind"),
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"target": "not a host"}, "target"),
        ({"target": ";id"}, "target"),
        ({"duration_seconds": "long"}, "duration_seconds"),
        ({"duration_seconds": 0}, "duration_seconds"),
        ({"duration_seconds": "NaN"}, "duration_seconds"),
        ({"duration_seconds": "1e999"}, "duration_seconds"),
        ({"sample_interval_seconds": 61}, "sample_interval_seconds"),
        ({"every_seconds": None}, "every_seconds"),
        ({"every_seconds": 10}, "every_seconds"),
        ({"slip_seconds": 300}, "slip_seconds"),
        ({"schedule_kind": "sometimes"}, "schedule_kind"),
        ({"start_at": "soon"}, "start_at"),
        ({"parameters": {"size_bytes": 1}}, "parameters.size_bytes"),
        ({"parameters": {"nosuch": 1}}, "parameters"),
        ({"parameters": []}, "parameters"),
        ({"clients": ["x"]}, "clients.0"),
        ({"clients": [str(uuid4())]}, "clients"),
    ],
)
def test_a_wrong_test_names_its_field_and_is_not_made(operator, change, field):
    answer = operator.post(TESTS, {**GOOD, **change}, JSON)
    assert answer.status_code == 400, answer.content
    assert field in fields(answer)
    assert not Test.objects.exists()


def test_a_body_that_is_no_object_is_refused(operator):
    for body in ("[]", "5", "null", "{", '{"name": NaN}'):
        answer = operator.post(TESTS, body, JSON)
        assert answer.status_code == 400, body
        assert set(answer.json()) >= {"code", "detail", "data"}


def test_a_name_that_is_taken_is_a_conflict(operator):
    operator.post(TESTS, GOOD, JSON)
    assert operator.post(TESTS, GOOD, JSON).status_code == 409


def test_a_part_is_changed_and_the_rest_stays(operator):
    made = operator.post(TESTS, GOOD, JSON).json()
    path = f"{TESTS}{made['id']}/"
    changed = operator.patch(path, {"target": "192.0.2.9"}, JSON).json()
    differing = {name for name in made if made[name] != changed[name]}
    assert differing == {"target", "schedule_revision"}


def test_the_whole_is_defined_anew(operator):
    made = operator.post(TESTS, GOOD, JSON).json()
    path = f"{TESTS}{made['id']}/"
    assert operator.put(path, {"name": "x"}, JSON).status_code == 400
    new = {"name": "Web", "kind": "http", "target": "http://192.0.2.1", "schedule_kind": "once"}
    changed = operator.put(path, new, JSON).json()
    assert (changed["kind"], changed["target"]) == ("http", "http://192.0.2.1/")
    assert changed["every_seconds"] is None


def test_parameters_of_one_kind_do_not_pass_for_another(operator):
    made = operator.post(TESTS, GOOD, JSON).json()
    answer = operator.patch(f"{TESTS}{made['id']}/", {"kind": "dns"}, JSON)
    assert answer.status_code == 400


def test_a_test_is_paused_resumed_and_deleted(operator):
    test = make_test("Loopback", make_client())
    path = f"{TESTS}{test.id}/"
    plan_runs()
    assert operator.post(f"{path}pause/").json()["is_paused"] is True
    assert not Run.objects.exists()
    assert operator.post(f"{path}resume/").json()["is_paused"] is False
    assert operator.delete(path).status_code == 204
    assert not Test.objects.exists()


def test_runs_are_started_and_stopped_by_hand(operator):
    one, two = make_client("one"), make_client("two")
    test = make_test("Loopback", one, two)
    path = f"{TESTS}{test.id}/"
    started = operator.post(f"{path}run-now/", content_type=JSON)
    assert started.status_code == 201
    assert {run["client_name"] for run in started.json()} == {"one", "two"}
    assert all(run["is_on_demand"] for run in started.json())
    assert operator.post(f"{path}stop/").json() == {"stopped": 2}
    only = operator.post(f"{path}run-now/", {"clients": [str(two.id)]}, JSON)
    assert [run["client_name"] for run in only.json()] == ["two"]


def test_a_run_on_nobody_is_a_conflict(operator):
    test = make_test()
    stranger = make_client()
    path = f"{TESTS}{test.id}/run-now/"
    for body in ({}, {"clients": [str(stranger.id)]}):
        answer = operator.post(path, body, JSON)
        assert (answer.status_code, answer.json()["code"]) == (409, "nobody_assigned")
    assert operator.post(path, {"clients": []}, JSON).status_code == 400


def test_clients_are_given_and_taken_away(operator):
    one, two = make_client("one"), make_client("two")
    test = make_test("Loopback", one)
    answer = operator.post(f"{TESTS}{test.id}/assign/", {"clients": [str(two.id)]}, JSON)
    assert answer.json()["clients"] == [str(two.id)]
    rows = operator.get(f"/api/v1/assignments/?test={test.id}&is_removed=true").json()["results"]
    assert [row["client_name"] for row in rows] == ["one"]
    assert operator.post(f"{TESTS}{test.id}/assign/", {}, JSON).status_code == 400


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b", "c"]),
        ("kind=http", ["b"]),
        ("is_paused=false", ["a", "b", "c"]),
        ("is_paused=true", []),
        ("schedule_kind=continuous", ["c"]),
        ("name=A", ["a"]),
        ("ordering=-name", ["c", "b", "a"]),
    ],
)
def test_tests_are_filtered_and_ordered(operator, query, names):
    make_test("a")
    make_test("b", kind="http", target="http://127.0.0.1/")
    make_test("c", schedule_kind="continuous", every_seconds=None)
    rows = operator.get(f"{TESTS}?{query}").json()["results"]
    assert [row["name"] for row in rows] == names


def test_tests_are_filtered_by_their_client(operator):
    probe = make_client()
    make_test("with", probe)
    make_test("without")
    rows = operator.get(f"{TESTS}?client={probe.id}").json()["results"]
    assert [row["name"] for row in rows] == ["with"]


def test_a_run_shows_its_result(operator):
    result = make_result(make_assignment(make_client()), document={"hops": [1]}, reason="")
    run = operator.get(f"/api/v1/runs/{result.run_id}/").json()
    assert run["result"]["values"] == {"net.rtt.median": 0.01}
    shown = operator.get(f"/api/v1/results/{result.run_id}/").json()
    assert (shown["document"], shown["client_name"]) == ({"hops": [1]}, "probe-1")
    listed = operator.get("/api/v1/results/").json()["results"][0]
    assert "document" not in listed
    assert listed["run"] == str(result.run_id)


def test_a_run_without_a_result_has_none(operator):
    run = make_run(make_assignment(make_client()))
    assert operator.get(f"/api/v1/runs/{run.id}/").json()["result"] is None


def test_runs_are_filtered(operator):
    assignment = make_assignment(make_client())
    other = make_assignment(make_client("other"), "Other")
    forget_plans()
    make_run(assignment, state=Run.State.FINISHED)
    make_run(assignment, state=Run.State.MISSED)
    make_run(other, state=Run.State.FAILED)
    queries = {
        f"test={assignment.test_id}": 2,
        f"client={other.client_id}": 1,
        f"assignment={assignment.id}": 2,
        "state=finished": 1,
        "state=finished&state=failed": 2,
        "is_on_demand=true": 0,
        f"after={read_now().date()}T00:00:00Z": 3,
        "after=1970-01-01T00:00:00Z&before=2199-12-31T23:59:59Z": 3,
        "before=2000-01-01T00:00:00Z": 0,
    }
    for query, count in queries.items():
        assert operator.get(f"/api/v1/runs/?{query}").json()["count"] == count, query
    for query in ("state=odd", "test=x", "after=soon"):
        assert operator.get(f"/api/v1/runs/?{query}").status_code == 400, query


NEVER = ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z",
         "9999-12-31T23:59:59-14:00"]  # fmt: skip


@pytest.mark.parametrize("moment", NEVER)
@pytest.mark.parametrize("name", ["after", "before"])
@pytest.mark.parametrize("path", ["runs", "results", "audit"])
def test_a_moment_that_no_clock_shows_is_refused_by_name(client, path, name, moment):
    client.force_login(make_user("ann", "admin"))
    answer = client.get(f"/api/v1/{path}/", {name: moment})
    assert (answer.status_code, fields(answer)) == (400, {name})


@pytest.mark.parametrize("moment", NEVER)
@pytest.mark.parametrize("path", [TESTS, f"{TESTS}dry-run/"])
def test_a_first_start_that_no_clock_shows_is_refused_by_name(operator, path, moment):
    answer = operator.post(path, {**GOOD, "start_at": moment}, JSON)
    assert (answer.status_code, fields(answer)) == (400, {"start_at"})


@pytest.mark.parametrize("moment", ["1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"])
@pytest.mark.parametrize("path", [TESTS, f"{TESTS}dry-run/"])
def test_a_first_start_too_far_away_names_the_limit(operator, path, moment):
    answer = operator.post(path, {**GOOD, "start_at": moment}, JSON)
    assert (answer.status_code, fields(answer)) == (400, {"start_at"})
    assert "10 years" in answer.json()["detail"]


def test_a_run_that_is_open_is_a_conflict(operator):
    test = make_assignment(make_client()).test
    assert operator.post(f"{TESTS}{test.id}/run-now/", {}, JSON).status_code == 201
    answer = operator.post(f"{TESTS}{test.id}/run-now/", {}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "run_open")


def test_results_are_filtered(operator):
    assignment = make_assignment(make_client())
    make_result(assignment)
    make_result(assignment, is_success=False)
    make_result(assignment, outcome="failed", is_success=None)
    for query, count in {"is_success=false": 1, "outcome=failed": 1, "": 3}.items():
        assert operator.get(f"/api/v1/results/?{query}").json()["count"] == count, query


def test_the_kinds_say_what_they_take(operator):
    kinds = operator.get("/api/v1/kinds/").json()
    assert {kind["name"] for kind in kinds} == set(KINDS)
    ping = operator.get("/api/v1/kinds/ping/").json()
    assert ping["parameters"]["properties"]["size_bytes"]["maximum"] == 8972
    assert ping["target_form"] == "host"
    missing = operator.get("/api/v1/kinds/weather/")
    assert (missing.status_code, missing.json()["code"]) == (404, "kind_unknown")


@pytest.mark.parametrize("path", ["tests", "assignments", "runs", "results"])
def test_a_longer_list_takes_no_more_queries(operator, path):
    def fill(number):
        make_result(make_assignment(make_client(f"c{number}", tags=["edge"]), f"t{number}"))

    fill(0)
    few = count_queries(lambda: operator.get(f"/api/v1/{path}/"))
    for number in range(1, 8):
        fill(number)
    assert count_queries(lambda: operator.get(f"/api/v1/{path}/")) == few


def test_no_row_stands_on_two_pages(operator):
    assignment = make_assignment(make_client())
    forget_plans()
    moment = read_now()
    made = {str(make_run(assignment, start_at=moment).id) for _ in range(9)}
    found = []
    for page in range(1, 6):
        answer = operator.get(f"/api/v1/runs/?page={page}&page_size=2").json()
        found += [row["id"] for row in answer["results"]]
    assert len(found) == 9
    assert set(found) == made
