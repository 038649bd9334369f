"""Clients, sites, tags and enrolment tokens through the API."""

import pytest

from apps.clients.models import Client, EnrolmentToken, Key, Site
from apps.clients.services import apply_inventory, create_tag, identify_key
from apps.core.clock import read_now
from tests.factories.accounts import make_user
from tests.factories.clients import INVENTORY, make_client, make_key, make_site, make_tag

pytestmark = pytest.mark.django_db

CLIENTS = "/api/v1/clients/"
JSON = "application/json"
CAPABLE = {"icmp_raw": {"is_available": True}}
INCAPABLE = {"icmp_datagram": {"is_available": False, "reason": "no", "remedy": "sudo"}}


@pytest.fixture
def operator(client):
    client.force_login(make_user("ann", "operator"))
    return client


def errors(answer):
    return {item["field"]: item["code"] for item in answer.json()["data"]["errors"]}


def test_a_client_shows_its_place_and_its_inventory(operator):
    probe = make_client(site="vienna", tags=["edge", "core"], inventory=INVENTORY)
    listed = operator.get(CLIENTS).json()["results"][0]
    assert (listed["site"], sorted(listed["tags"])) == ("vienna", ["core", "edge"])
    assert "inventory" not in listed
    shown = operator.get(f"{CLIENTS}{probe.id}/").json()
    assert shown["inventory"]["cpu_count"] == 2
    assert shown["interfaces"] == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b", "c"]),
        ("presence=online", ["a"]),
        ("presence=online&presence=late", ["a", "b"]),
        ("site=vienna", ["a", "b"]),
        ("tag=edge", ["b", "c"]),
        ("site=vienna&tag=edge", ["b"]),
        ("name=B", ["b"]),
        ("agent_version=2", ["c"]),
        ("ordering=-name", ["c", "b", "a"]),
        ("ordering=-agent_version,name", ["c", "a", "b"]),
        ("q=192.0.2.7", ["c"]),
        ("q=debian", ["a"]),
        ("tag=above", ["b", "c"]),
        ("capability=icmp_raw", ["a"]),
        ("capability=icmp_datagram", []),
        ("capability=__proto__", []),
        ("is_clone_suspected=true", ["b"]),
        ("page_size=2&page=2", ["c"]),
        ("site=atlantis", []),
    ],
)
def test_clients_are_filtered_ordered_and_paged(operator, query, names):
    create_tag(slug="edge", name="Edge", parent=make_tag("above"))
    apply_inventory(
        client=make_client("a", site="vienna", presence="online"),
        inventory={**INVENTORY, "capabilities": {**CAPABLE, **INCAPABLE}},
    )
    make_client("b", site="vienna", tags=["edge"], presence="late", clone_suspected_at=read_now())
    make_client("c", tags=["edge"], agent_version="2", last_address="192.0.2.7")
    rows = operator.get(f"{CLIENTS}?{query}").json()["results"]
    assert [row["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("query", "field", "known"),
    [
        ("presense=offline", "presense", "presence"),
        ("presence=online&sitee=vienna", "sitee", "page_size"),
        ("ordering=inventory", "ordering", "name"),
        ("ordering=name,-bogus", "ordering", "agent_version"),
    ],
)
def test_what_a_list_does_not_know_is_refused_and_the_known_named(operator, query, field, known):
    answer = operator.get(f"{CLIENTS}?{query}")
    [problem] = answer.json()["data"]["errors"]
    assert (answer.status_code, problem["field"]) == (400, field)
    assert known in problem["detail"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("presence=asleep", 400), ("page=99", 404), ("page=x", 404), ("name=%00", 400)],
)
def test_a_wrong_query_is_refused(operator, query, status):
    answer = operator.get(f"{CLIENTS}?{query}")
    assert answer.status_code == status
    assert set(answer.json()) >= {"code", "detail", "data"}


def test_what_a_change_leaves_out_stays(operator):
    probe = make_client(site="vienna", tags=["edge"])
    path = f"{CLIENTS}{probe.id}/"
    changed = operator.patch(path, {"name": "new"}, JSON).json()
    assert (changed["name"], changed["site"], changed["tags"]) == ("new", "vienna", ["edge"])
    changed = operator.patch(path, {"site": None, "tags": []}, JSON).json()
    assert (changed["name"], changed["site"], changed["tags"]) == ("new", None, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
        ({"site": "atlantis"}, "site"),
        ({"site": 5}, "site"),
        ({"tags": "edge"}, "tags"),
        ({"tags": ["nosuch"]}, "tags"),
    ],
)
def test_a_wrong_change_names_its_field(operator, change, field):
    probe = make_client()
    answer = operator.patch(f"{CLIENTS}{probe.id}/", change, JSON)
    assert answer.status_code == 400
    assert field in {name.partition(".")[0] for name in errors(answer)}


def test_a_name_that_is_taken_is_a_conflict(operator):
    make_client("taken")
    answer = operator.patch(f"{CLIENTS}{make_client('other').id}/", {"name": "taken"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert answer.json()["data"]["field"] == "name"


def test_keys_are_rotated_and_revoked(operator):
    probe = make_client()
    old = make_key(probe)
    answer = operator.post(f"{CLIENTS}{probe.id}/rotate-key/", {}, JSON)
    assert answer.status_code == 201
    assert identify_key(answer.json()["key"]).client_id == probe.id
    assert identify_key(old).client_id == probe.id
    assert operator.post(f"{CLIENTS}{probe.id}/revoke-keys/").json() == {"revoked": 2}
    assert not Key.objects.filter(revoked_at=None).exists()


def test_a_client_is_deleted(operator):
    probe = make_client()
    assert operator.delete(f"{CLIENTS}{probe.id}/").status_code == 204
    assert operator.get(CLIENTS).json()["count"] == 0
    answer = operator.get(f"{CLIENTS}{probe.id}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_id_that_is_none_is_simply_not_found(operator):
    assert operator.get(f"{CLIENTS}not-an-id/").status_code == 404


@pytest.mark.parametrize(("path", "kind"), [("sites", make_site), ("tags", make_tag)])
def test_places_are_made_renamed_and_deleted(operator, path, kind):
    kind("other")
    answer = operator.post(f"/api/v1/{path}/", {"slug": "new", "name": "New"}, JSON)
    assert answer.status_code == 201
    place = f"/api/v1/{path}/{answer.json()['id']}/"
    changed = operator.patch(place, {"name": "Newer", "slug": "other-slug"}, JSON).json()
    assert (changed["slug"], changed["name"]) == ("new", "Newer")
    assert operator.get(f"/api/v1/{path}/?slug=new").json()["count"] == 1
    assert operator.delete(place).status_code == 204
    assert operator.get(place).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "slug"),
        ({"slug": "two words", "name": "x"}, "slug"),
        ({"slug": "vienna", "name": "x"}, "slug"),
        ({"slug": "x", "name": "x", "latitude": 91}, "latitude"),
        ({"slug": "x", "name": "x", "longitude": "east"}, "longitude"),
    ],
)
def test_a_wrong_site_names_its_field(operator, body, field):
    make_site("vienna")
    answer = operator.post("/api/v1/sites/", body, JSON)
    assert answer.status_code == 400
    assert field in errors(answer)
    assert Site.objects.count() == 1


def test_a_site_in_use_is_not_deleted(operator):
    make_client(site="vienna")
    answer = operator.delete(f"/api/v1/sites/{make_site().id}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "site_in_use")


def test_an_operator_of_one_site_changes_no_places(client):
    client.force_login(make_user("local", "operator", site="vienna"))
    site = make_site()
    make_client(site="vienna")
    assert client.post("/api/v1/tags/", {"slug": "x", "name": "x"}, JSON).status_code == 403
    assert client.patch(f"/api/v1/sites/{site.id}/", {"name": "x"}, JSON).status_code == 403
    assert client.delete(f"/api/v1/sites/{site.id}/").status_code == 403


def test_an_enrolment_token_is_shown_once_and_lets_an_agent_in(operator):
    make_site()
    body = {"name": "roll-out", "life_seconds": 600, "max_uses": 2, "site": "vienna"}
    answer = operator.post("/api/v1/enrolment-tokens/", body, JSON)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["site"], made["created_by"], made["uses"]) == ("vienna", "ann", 0)
    listed = operator.get("/api/v1/enrolment-tokens/").json()["results"][0]
    assert "token" not in listed
    assert "digest" not in listed
    enrolment = {"token": made["token"], "name": "p", "agent_version": "1", "inventory": INVENTORY}
    assert operator.post("/api/v1/agent/enrol", enrolment, JSON).status_code == 201
    revoked = operator.post(f"/api/v1/enrolment-tokens/{made['id']}/revoke/").json()
    assert revoked["revoked_at"] is not None
    refused = operator.post("/api/v1/agent/enrol", enrolment, JSON)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"life_seconds": 59}, "life_seconds"),
        ({"life_seconds": 10**12}, "life_seconds"),
        ({"max_uses": 0}, "max_uses"),
        ({"allowed_network": "here"}, "allowed_network"),
        ({"site": "atlantis"}, "site"),
        ({"tags": ["nosuch"]}, "tags"),
    ],
)
def test_a_wrong_enrolment_token_names_its_field(operator, change, field):
    answer = operator.post("/api/v1/enrolment-tokens/", {"name": "x", **change}, JSON)
    assert answer.status_code == 400
    assert field in {name.partition(".")[0] for name in errors(answer)}
    assert not EnrolmentToken.objects.exists()


@pytest.mark.parametrize("path", ["clients", "sites", "tags", "enrolment-tokens"])
def test_a_longer_list_takes_no_more_queries(operator, path, django_assert_max_num_queries):
    from tests.api.counting import count_queries

    def fill(number):
        make_client(f"c{number}", site=f"s{number}", tags=[f"t{number}", "all"])
        body = {"name": f"t{number}", "site": f"s{number}", "tags": ["all"]}
        operator.post("/api/v1/enrolment-tokens/", body, JSON)

    fill(0)
    few = count_queries(lambda: operator.get(f"/api/v1/{path}/"))
    for number in range(1, 8):
        fill(number)
    assert count_queries(lambda: operator.get(f"/api/v1/{path}/")) == few


def test_a_key_is_added_listed_and_ended_by_its_prefix(operator):
    probe = make_client()
    keys = f"{CLIENTS}{probe.id}/keys/"
    made = operator.post(keys)
    assert made.status_code == 201
    secret = made.json()["key"]
    (listed,) = operator.get(keys).json()
    assert (listed["prefix"], listed["revoked_at"]) == (secret[:8], None)
    assert secret[9:] not in operator.get(keys).content.decode()
    ended = operator.post(f"{keys}{secret[:8]}/revoke/")
    assert ended.json()["revoked_at"] is not None
    assert operator.post(f"{keys}nosuch/revoke/").status_code == 404


@pytest.mark.parametrize("seconds", [-1, 7 * 86_400 + 1, "soon"])
def test_an_overlap_out_of_range_names_its_field(operator, seconds):
    path = f"{CLIENTS}{make_client().id}/rotate-key/"
    answer = operator.post(path, {"overlap_seconds": seconds}, JSON)
    assert answer.status_code == 400
    assert set(errors(answer)) == {"overlap_seconds"}
    assert not Key.objects.exists()


def test_the_suspicion_of_a_clone_is_shown_and_cleared(operator):
    probe = make_client(clone_suspected_at=read_now(), clone_detail="two boots")
    shown = operator.get(f"{CLIENTS}{probe.id}/").json()
    assert shown["clone_detail"] == "two boots"
    assert operator.post(f"{CLIENTS}{probe.id}/clear-clone/").status_code == 204
    assert operator.get(f"{CLIENTS}{probe.id}/").json()["clone_suspected_at"] is None


def test_a_tag_stands_below_another_and_a_circle_is_refused(operator):
    above = operator.post("/api/v1/tags/", {"slug": "europe", "name": "Europe"}, JSON).json()
    body = {"slug": "vienna", "name": "Vienna", "parent": "europe"}
    below = operator.post("/api/v1/tags/", body, JSON).json()
    assert (below["parent"], below["lineage"]) == ("europe", ["europe"])
    answer = operator.patch(f"/api/v1/tags/{above['id']}/", {"parent": "vienna"}, JSON)
    assert (answer.status_code, errors(answer)) == (400, {"parent": "cycle"})
    assert "europe < vienna < europe" in answer.json()["detail"]
    answer = operator.delete(f"/api/v1/tags/{above['id']}/")
    assert (answer.status_code, answer.json()["code"]) == (409, "tag_has_children")
    moved = operator.patch(f"/api/v1/tags/{below['id']}/", {"parent": None}, JSON).json()
    assert (moved["parent"], moved["lineage"], moved["name"]) == (None, [], "Vienna")
    answer = operator.patch(f"/api/v1/tags/{below['id']}/", {"parent": "nosuch"}, JSON)
    assert (answer.status_code, set(errors(answer))) == (400, {"parent"})


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("", ["a", "b", "c"]),
        ("parent=a", ["b"]),
        ("below=a", ["b", "c"]),
        ("is_root=true", ["a"]),
        ("name=B", ["b"]),
        ("ordering=-slug", ["c", "b", "a"]),
    ],
)
def test_tags_are_filtered_and_ordered(operator, query, slugs):
    above = None
    for slug in "abc":
        above = create_tag(slug=slug, name=slug, parent=above)
    rows = operator.get(f"/api/v1/tags/?{query}").json()["results"]
    assert [row["slug"] for row in rows] == slugs


def test_places_count_the_clients_that_their_reader_sees(client):
    make_client("a", site="vienna", tags=["edge"])
    make_client("b", site="graz", tags=["edge"])
    make_site("empty")
    for user, tags, sites in (
        (make_user("all", "viewer"), {"edge": 2}, {"vienna": 1, "graz": 1, "empty": 0}),
        (make_user("local", "viewer", site="vienna"), {"edge": 1}, {"vienna": 1}),
    ):
        client.force_login(user)
        for path, counts in (("tags", tags), ("sites", sites)):
            rows = client.get(f"/api/v1/{path}/").json()["results"]
            assert {row["slug"]: row["client_count"] for row in rows} == counts


def test_many_clients_are_tagged_by_id_and_by_filter(operator):
    probes = [make_client(name, site="vienna") for name in ("a", "b")]
    make_client("c", site="graz")
    make_tag("edge")
    body = {"action": "add_tags", "clients": [str(probes[0].id)], "tags": ["edge"]}
    assert operator.post(f"{CLIENTS}bulk/", body, JSON).json() == {"done": 1, "refused": []}
    body = {"action": "add_tags", "filter": {"site": "vienna"}, "tags": ["edge"]}
    assert operator.post(f"{CLIENTS}bulk/", body, JSON).json()["done"] == 2
    rows = operator.get(f"{CLIENTS}?tag=edge").json()["results"]
    assert [row["name"] for row in rows] == ["a", "b"]
    body = {"action": "delete", "filter": {"tag": "edge"}}
    assert operator.post(f"{CLIENTS}bulk/", body, JSON).json()["done"] == 2
    assert operator.get(CLIENTS).json()["count"] == 1


def test_a_bulk_action_reaches_only_what_its_user_operates(client):
    make_client("a", site="vienna")
    theirs = make_client("b", site="graz")
    make_tag("edge")
    client.force_login(make_user("local", "operator", site="vienna"))
    body = {"action": "revoke_keys", "filter": {"everything": True}}
    assert client.post(f"{CLIENTS}bulk/", body, JSON).json()["done"] == 1
    answer = client.post(f"{CLIENTS}bulk/", {**body, "clients": [str(theirs.id)]}, JSON)
    assert answer.status_code == 400
    body = {"action": "revoke_keys", "clients": [str(theirs.id)]}
    answer = client.post(f"{CLIENTS}bulk/", body, JSON)
    assert (answer.status_code, errors(answer)) == (400, {"clients": "unknown"})


def test_a_refused_client_is_named_in_the_answer(client):
    make_client("a", site="vienna")
    client.force_login(make_user("local", "operator", site="vienna"))
    body = {"action": "set_site", "filter": {"everything": True}, "site": None}
    report = client.post(f"{CLIENTS}bulk/", body, JSON).json()
    (refused,) = report["refused"]
    assert (report["done"], refused["name"], refused["code"]) == (0, "a", "refused")
    assert Client.objects.get().site.slug == "vienna"


UNKNOWN = "00000000-0000-4000-8000-000000000000"
EVERYTHING = {"everything": True}


@pytest.mark.parametrize(
    "narrowing",
    [
        {"q": "old.example"},
        {"text": "old.example"},
        {"name": "LD"},
        {"presence": "offline"},
        {"presence": ["offline", "late"]},
        {"site": "vienna"},
        {"tag": "edge"},
        {"agent_version": "0.9"},
        {"version": "0.9"},
        {"capability": "icmp_raw"},
        {"is_clone_suspected": True},
        {"has_clone": True},
        {"is_clone_suspected": True, "presence": "offline", "q": ""},
    ],
)
def test_a_bulk_action_is_narrowed_as_the_list_is(operator, narrowing):
    make_client("new", presence="online", agent_version="1.0", site="graz")
    make_client(
        "old", presence="offline", agent_version="0.9", site="vienna", tags=["edge"],
        hostname="old.example", inventory=INVENTORY, clone_suspected_at=read_now(),
    )  # fmt: skip
    body = {"action": "delete", "filter": narrowing}
    assert operator.post(f"{CLIENTS}bulk/", body, JSON).json()["done"] == 1
    assert Client.objects.get(deleted_at=None).name == "new"


def test_a_bulk_filter_may_ask_for_those_without_a_suspicion(operator):
    make_client("kept", clone_suspected_at=read_now())
    make_client("gone")
    body = {"action": "delete", "filter": {"is_clone_suspected": False}}
    assert operator.post(f"{CLIENTS}bulk/", body, JSON).json()["done"] == 1
    assert Client.objects.get(deleted_at=None).name == "kept"


def test_an_unknown_member_of_a_bulk_filter_is_refused_with_the_known_ones(operator):
    make_client()
    body = {"action": "delete", "filter": {"sitee": "vienna"}}
    answer = operator.post(f"{CLIENTS}bulk/", body, JSON)
    assert errors(answer) == {"filter.sitee": "unknown"}
    assert "agent_version" in answer.json()["detail"]


def test_a_change_of_one_thing_leaves_what_another_changed_meanwhile(operator, monkeypatch):
    probe = make_client("old", tags=["edge"])
    stale = Client.objects.get(id=probe.id)
    Client.objects.filter(id=probe.id).update(name="renamed")
    monkeypatch.setattr("apps.clients.api.views.get_client", lambda *_asked: stale)
    operator.patch(f"{CLIENTS}{probe.id}/", {"tags": []}, JSON)
    assert Client.objects.get().name == "renamed"
    assert not probe.tags.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "explode", "filter": {}}, "action"),
        ({"action": "delete"}, "clients"),
        ({"action": "delete", "clients": []}, "clients"),
        ({"action": "delete", "clients": [UNKNOWN] * 1001}, "clients"),
        ({"action": "delete", "clients": ["x"]}, "clients.0"),
        ({"action": "delete", "clients": [UNKNOWN]}, "clients"),
        ({"action": "delete", "filter": {"site": "nosuch"}}, "clients"),
        ({"action": "delete", "filter": {"presence": "asleep"}}, "filter.presence"),
        ({"action": "delete", "filter": {}}, "filter.everything"),
        ({"action": "delete", "filter": {"everything": False}}, "filter.everything"),
        ({"action": "delete", "filter": {"site": "", "presence": ""}}, "filter.everything"),
        ({"action": "delete", "filter": {"has_clone": False}}, "filter.everything"),
        ({"action": "delete", "filter": {"everything": True, "q": "p"}}, "filter.everything"),
        ({"action": "delete", "filter": {"q": "p", "text": "p"}}, "filter.text"),
        ({"action": "delete", "filter": {"sitee": "vienna"}}, "filter.sitee"),
        ({"action": "delete", "filter": {"everything": True, "sitee": ""}}, "filter.sitee"),
        ({"action": "delete", "filter": ["everything"]}, "filter"),
        ({"action": "add_tags", "filter": EVERYTHING}, "tags"),
        ({"action": "add_tags", "filter": EVERYTHING, "tags": ["nosuch"]}, "tags"),
        ({"action": "set_site", "filter": EVERYTHING}, "site"),
        ({"action": "set_site", "filter": EVERYTHING, "site": "nosuch"}, "site"),
    ],
)
def test_a_wrong_bulk_action_names_its_field_and_does_nothing(operator, body, field):
    make_client()
    answer = operator.post(f"{CLIENTS}bulk/", body, JSON)
    assert answer.status_code == 400
    assert field in errors(answer)
    assert Client.objects.filter(deleted_at=None).count() == 1


def test_too_many_clients_are_refused_with_the_limit(operator):
    Client.objects.bulk_create(
        Client(name=f"c{number}", enrolled_at=read_now()) for number in range(1001)
    )
    body = {"action": "delete", "filter": {"everything": True}}
    answer = operator.post(f"{CLIENTS}bulk/", body, JSON)
    assert (answer.status_code, errors(answer)) == (400, {"clients": "out_of_range"})
    assert "1000" in answer.json()["detail"]
    assert not Client.objects.exclude(deleted_at=None).exists()
