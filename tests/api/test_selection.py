"""Tests that choose their clients, dry runs, many tests at once and quotas through the API."""

from uuid import uuid4

import pytest

from apps.clients.services import delete_client
from apps.tests.models import Quota, Test
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client, make_site, make_tag
from tests.factories.tests import make_test

pytestmark = pytest.mark.django_db

TESTS, QUOTAS = "/api/v1/tests/", "/api/v1/quotas/"
JSON = "application/json"
RULE = {
    "name": "Backbone",
    "kind": "ping",
    "target": "192.0.2.1",
    "duration_seconds": 60,
    "sample_interval_seconds": 5,
    "schedule_kind": "cron",
    "cron_expression": "0 2 * * 1-5",
    "time_zone": "Europe/Vienna",
    "selection_kind": "any",
    "wanted_clients": 1,
    "selector": {"sites": ["vienna"], "tags": ["edge"]},
}


@pytest.fixture
def operator(client):
    client.force_login(make_user("ann", "operator"))
    return client


@pytest.fixture
def admin(client):
    client.force_login(make_user("root", "admin"))
    return client


@pytest.fixture
def probe():
    return make_client(site="vienna", tags=["edge"], inventory=INVENTORY, presence="online")


def problems(answer):
    assert answer.status_code == 400, answer.content
    return {item["field"]: item["detail"] for item in answer.json()["data"]["errors"]}


def test_a_rule_is_stored_and_chooses_at_once(operator, probe):
    answer = operator.post(TESTS, RULE, JSON)
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert document["clients"] == [str(probe.id)]
    assert document["selector"] == {"sites": ["vienna"], "tags": ["edge"], "clients": []}
    assert {name: document[name] for name in RULE if name != "selector"} == {
        name: value for name, value in RULE.items() if name != "selector"
    }


def test_a_partial_change_keeps_rule_and_schedule(operator, probe):
    made = operator.post(TESTS, RULE, JSON).json()
    changed = operator.patch(f"{TESTS}{made['id']}/", {"target": "192.0.2.9"}, JSON).json()
    differing = {name for name in made if made[name] != changed[name]}
    assert differing == {"target", "schedule_revision"}


def test_what_the_rule_does_not_need_is_forgotten(operator, probe):
    made = operator.post(TESTS, RULE, JSON).json()
    change = {"selection_kind": "clients", "schedule_kind": "once"}
    changed = operator.patch(f"{TESTS}{made['id']}/", change, JSON).json()
    assert (changed["selector"], changed["wanted_clients"]) == ({}, None)
    assert (changed["cron_expression"], changed["time_zone"]) == ("", "")
    assert changed["clients"] == [str(probe.id)]


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({"selection_kind": "some"}, "selection_kind", "some"),
        ({"wanted_clients": None}, "wanted_clients", "needed"),
        ({"wanted_clients": 0}, "wanted_clients", "1 to 1000"),
        ({"wanted_clients": 1001}, "wanted_clients", "1 to 1000"),
        ({"selector": {"sites": ["nowhere"]}}, "selector.sites", "nowhere"),
        ({"selector": {"tags": ["a", "nothing"]}}, "selector.tags", "a, nothing"),
        ({"selector": {"clients": [str(uuid4())]}}, "selector.clients", "no client"),
        ({"selector": {"clients": ["x"]}}, "selector", "badly formed"),
        ({"selector": {"groups": []}}, "selector", "groups"),
        ({"selector": {"sites": "vienna"}}, "selector.sites", "list"),
        ({"cron_expression": ""}, "cron_expression", "needed"),
        ({"time_zone": ""}, "time_zone", "needed"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "IANA"),
        ({"cron_expression": "0 0 30 2 *"}, "cron_expression", "never fires"),
        ({"cron_expression": "61 * * * *"}, "cron_expression", "malformed"),
    ],
)
def test_a_wrong_rule_names_its_field_and_is_not_made(operator, probe, change, field, detail):
    for path in (TESTS, f"{TESTS}dry-run/"):
        found = problems(operator.post(path, {**RULE, **change}, JSON))
        place = next(name for name in found if name.startswith(field))
        assert detail in found[place]
    assert not Test.objects.exists()


def test_a_rule_beyond_the_own_clients_is_refused(client, probe):
    client.force_login(make_user("otto", "operator", site="vienna"))
    make_site("graz")
    assert client.post(TESTS, RULE, JSON).status_code == 201
    for selector in ({"sites": ["graz"]}, {}, {"tags": ["edge"]}):
        wanted = {**RULE, "name": "Other", "selector": selector}
        assert client.post(TESTS, wanted, JSON).status_code == 403
    made = Test.objects.get()
    change = {"selector": {"sites": ["graz"]}}
    assert client.patch(f"{TESTS}{made.id}/", change, JSON).status_code == 403


def test_clients_of_a_rule_cannot_be_named(operator, probe):
    made = operator.post(TESTS, RULE, JSON).json()
    answer = operator.post(f"{TESTS}{made['id']}/assign/", {"clients": [str(probe.id)]}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "chosen_by_rule")


def test_a_dry_run_says_who_when_and_at_what_load_and_stores_nothing(operator, probe):
    make_client("deaf", site="vienna", tags=["edge"], inventory={"probes": ["ping"]})
    answer = operator.post(f"{TESTS}dry-run/", {**RULE, "wanted_clients": 2}, JSON)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert [one["name"] for one in told["clients"]] == [probe.name]
    assert told["left_out"] == [{"name": "deaf", "reason": "lacks icmp_raw or icmp_datagram"}]
    assert told["note"].startswith("1 of 2:")
    assert told["load"]["packets_per_second"] == 10
    assert len(told["next_starts"]) == 5
    assert not Test.objects.exists()


def test_a_dry_run_of_named_clients_counts_their_load_together(operator):
    ids = [str(make_client(name).id) for name in "ab"]
    plain = {**RULE, "schedule_kind": "every", "every_seconds": 120, "selection_kind": "clients"}
    told = operator.post(f"{TESTS}dry-run/", {**plain, "clients": ids}, JSON).json()
    assert told["total_load"]["packets_per_second"] == 20
    assert told["busy_ratio"] == 0.5


def test_a_quota_refuses_with_whose_and_which(operator, probe):
    Quota.objects.create(scope="client", tests=0)
    plain = {**RULE, "selection_kind": "clients", "clients": [str(probe.id)]}
    for path in (TESTS, f"{TESTS}dry-run/"):
        answer = operator.post(path, plain, JSON)
        assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
        assert answer.json()["detail"] == ("client probe-1: 0 tests allowed, has 0, this makes 1")


def test_many_tests_are_paused_and_each_refusal_is_named(client):
    near, far = make_client("near", site="vienna"), make_client("far", site="graz")
    mine, shared = make_test("mine", near), make_test("shared", near, far)
    unknown = str(uuid4())
    client.force_login(make_user("otto", "operator", site="vienna"))
    body = {"action": "pause", "tests": [str(mine.id), str(shared.id), unknown]}
    answer = client.post(f"{TESTS}bulk/", body, JSON).json()
    assert answer["done"] == [str(mine.id)]
    assert [(one["test"], one["code"]) for one in answer["failed"]] == [
        (str(shared.id), "refused"),
        (unknown, "test_unknown"),
    ]
    assert list(Test.objects.filter(is_paused=True)) == [mine]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "explode", "tests": [str(uuid4())]}, "action"),
        ({"action": "pause", "tests": []}, "tests"),
        ({"action": "pause", "tests": ["x"]}, "tests"),
        ({"action": "pause", "tests": [str(uuid4())] * 501}, "tests"),
        ({}, "action"),
    ],
)
def test_a_wrong_bulk_names_its_field(operator, body, field):
    found = problems(operator.post(f"{TESTS}bulk/", body, JSON))
    assert any(name.startswith(field) for name in found)


def test_many_tests_are_run_resumed_and_deleted(operator):
    tests = [make_test(name, make_client(name)) for name in "ab"]
    ids = [str(test.id) for test in tests]
    for action in ("run_now", "pause", "resume", "delete"):
        answer = operator.post(f"{TESTS}bulk/", {"action": action, "tests": ids}, JSON)
        assert answer.json() == {"done": ids, "failed": []}
    assert not Test.objects.exists()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("site=vienna", ["a"]),
        ("tag=edge", ["b"]),
        ("tag=europe", ["b"]),
        ("site=nowhere", []),
        ("target=0.2", ["b"]),
        ("selection_kind=any", []),
        ("ordering=-target__address", ["b", "a"]),
    ],
)
def test_tests_are_found_by_place_target_and_selection(operator, query, names):
    make_test("a", make_client("a", site="vienna"), target="127.0.0.1")
    make_tag("edge").lineage.add(make_tag("europe"))
    make_test("b", make_client("b", tags=["edge"]), target="192.0.2.1")
    rows = operator.get(f"{TESTS}?{query}").json()["results"]
    assert [row["name"] for row in rows] == names


def test_limits_are_made_changed_listed_and_removed(admin, probe):
    made = admin.post(QUOTAS, {"scope": "client", "client": str(probe.id), "tests": 3}, JSON)
    assert made.status_code == 201, made.content
    path = f"{QUOTAS}{made.json()['id']}/"
    changed = admin.patch(path, {"megabits_per_second": 2.5}, JSON).json()
    assert (changed["tests"], changed["megabits_per_second"]) == (3, 2.5)
    assert admin.patch(path, {"tests": None}, JSON).json()["tests"] is None
    assert admin.post(QUOTAS, {"scope": "user", "user": "root"}, JSON).status_code == 201
    rows = admin.get(f"{QUOTAS}?scope=client").json()["results"]
    assert [row["client_name"] for row in rows] == [probe.name]
    standing = admin.get(f"{QUOTAS}use/").json()
    assert {row["name"] for row in standing} == {probe.name, "root"}
    assert admin.delete(path).status_code == 204
    assert admin.get(path).status_code == 404


def test_there_is_one_limit_of_each(admin):
    assert admin.post(QUOTAS, {"scope": "user", "tests": 1}, JSON).status_code == 201
    again = admin.post(QUOTAS, {"scope": "user", "tests": 2}, JSON)
    assert (again.status_code, again.json()["code"]) == (409, "quota_exists")
    assert Quota.objects.get().tests == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "planet"}, "scope"),
        ({"scope": "user", "user": "nobody"}, "user"),
        ({"scope": "client", "client": str(uuid4())}, "client"),
        ({"scope": "client", "user": "root"}, "user"),
        ({"scope": "user", "client": str(uuid4())}, "client"),
        ({"scope": "user", "tests": -1}, "tests"),
        ({"scope": "user", "packets_per_second": "NaN"}, "packets_per_second"),
    ],
)
def test_a_wrong_limit_names_its_field(admin, body, field):
    assert field in problems(admin.post(QUOTAS, body, JSON))
    assert not Quota.objects.exists()


def test_a_deleted_client_is_given_no_limit(admin, probe):
    delete_client(client=probe)
    body = {"scope": "client", "client": str(probe.id), "tests": 1}
    assert list(problems(admin.post(QUOTAS, body, JSON))) == ["client"]
    assert not Quota.objects.exists()
