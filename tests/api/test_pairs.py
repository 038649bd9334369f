"""Pairs, stars and meshes by the REST API, in the hands of who may operate every end."""

import pytest

from apps.tests.models import Run, Test
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_site
from tests.factories.kinds import install_kinds
from tests.factories.pairs import list_ends_by_name, make_end, make_mesh, make_pair

pytestmark = pytest.mark.django_db

TESTS = "/api/v1/tests/"
JSON = "application/json"
PAIR = {
    "name": "Pair",
    "kind": "talk",
    "topology": "pair",
    "duration_seconds": 10,
    "sample_interval_seconds": 1,
    "every_seconds": 60,
}


@pytest.fixture(autouse=True)
def kinds(monkeypatch):
    install_kinds(monkeypatch)


@pytest.fixture
def ends():
    return [make_end(name) for name in ("a", "b", "c")]


@pytest.fixture
def ask(client):
    """Calls of an administrator."""
    headers = bearer(make_token(make_user("root", "admin"), "read", "write"))

    def call(method, path, body=None, **options):
        return getattr(client, method)(path, body, JSON, **{**headers, **options})

    return call


def list_errors(answer):
    return {error["field"]: error["code"] for error in answer.json()["data"]["errors"]}


def test_a_pair_is_made_shown_and_changed(ask, ends):
    a, b, c = ends
    made = ask("post", TESTS, {**PAIR, "hub": str(a.id), "clients": [str(b.id)]})
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["topology"], body["hub"], body["directions"]) == ("pair", str(a.id), "out")
    assert (body["target"], body["clients"]) == (None, [str(a.id), str(b.id)])
    changed = ask("patch", f"{TESTS}{body['id']}/", {"hub": str(c.id), "directions": "both"})
    assert changed.status_code == 200, changed.content
    assert list_ends_by_name(Test.objects.get()) == [("b", "c"), ("c", "b")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"topology": "star"}, "hub"),
        ({"topology": ""}, "topology"),
        ({"topology": "mesh", "directions": "back"}, "directions"),
        ({"peer_address": "x"}, "peer_address"),
    ],
)
def test_what_is_wrong_names_its_field(ask, ends, changes, field):
    answer = ask("post", TESTS, {**PAIR, **changes, "clients": [str(ends[1].id)]})
    assert answer.status_code == 400
    assert field in list_errors(answer)


def test_a_dry_run_counts_pairs_and_the_load_of_both_ends(ask, ends):
    body = {**PAIR, "topology": "mesh", "clients": [str(client.id) for client in ends]}
    answer = ask("post", f"{TESTS}dry-run/", body).json()
    assert answer["pair_count"] == 6
    one = answer["load"]["packets_per_second"]
    assert answer["total_load"]["packets_per_second"] == pytest.approx(12 * one)
    assert not Test.objects.exists()


def test_assignments_and_runs_name_the_far_end(ask, ends):
    row = make_pair(ends[0], ends[1])
    (listed,) = ask("get", "/api/v1/assignments/").json()["results"]
    assert (listed["client_name"], listed["peer_name"]) == ("a", "b")
    run = Run.objects.filter(assignment=row).first()
    Run.objects.filter(id=run.id).update(is_overlapped=True)
    (shown,) = ask("get", "/api/v1/runs/?is_overlapped=true").json()["results"]
    assert (shown["peer"], shown["is_overlapped"]) == (str(ends[1].id), True)
    assert "key" not in shown


def test_who_operates_only_one_end_changes_nothing(client, ends):
    ends[0].site = make_site("vienna")
    ends[0].save()
    headers = bearer(make_token(make_user("op", "operator", site="vienna"), "read", "write"))
    test = make_mesh(*ends[:2])
    answer = client.post(f"{TESTS}{test.id}/pause/", None, JSON, **headers)
    assert answer.status_code == 403
    body = {**PAIR, "hub": str(ends[1].id), "clients": [str(ends[0].id)]}
    refused = client.post(TESTS, body, JSON, **headers)
    assert refused.status_code == 400
    assert list_errors(refused) == {"hub": "unknown"}


def test_a_clients_address_and_uplink_are_set(ask, ends):
    path = f"/api/v1/clients/{ends[0].id}/"
    changed = ask("patch", path, {"peer_address": "2001:DB8::1", "link_group": " dsl "})
    assert changed.status_code == 200, changed.content
    body = changed.json()
    assert (body["peer_address"], body["link_group"]) == ("2001:db8::1", "dsl")
    refused = ask("patch", path, {"peer_address": "home"})
    assert list_errors(refused) == {"peer_address": "malformed"}
    assert ask("get", path).json()["link_group"] == "dsl"


def test_kinds_say_that_they_need_two(ask):
    assert ask("get", "/api/v1/kinds/talk/").json()["target_form"] == "peer"
