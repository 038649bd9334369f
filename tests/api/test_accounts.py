"""Oneself, tokens, users and the audit through the API."""

import pytest

from apps.accounts.models import Token
from apps.clients.services import create_tag
from tests.api.counting import count_queries
from tests.factories.accounts import bearer, deny, make_token, make_user

pytestmark = pytest.mark.django_db

TOKENS = "/api/v1/tokens/"
JSON = "application/json"


@pytest.fixture
def admin(client):
    client.force_login(make_user("boss", "admin"))
    return client


def test_everybody_sees_what_they_may_do(client):
    user = make_user("ann", "operator", site="vienna")
    deny(user, "operator", tag="core")
    client.force_login(user)
    document = client.get("/api/v1/users/me/").json()
    assert document["permissions"] == ["view", "operate"]
    assert {"name": "operator", "effect": "deny", "site_slug": "", "tag_slug": "core"} in (
        document["roles"]
    )
    assert "password" not in document


def test_a_token_is_shown_once_and_works(client):
    client.force_login(make_user("ann", "viewer"))
    answer = client.post(TOKENS, {"name": "script", "scopes": ["read"]}, JSON)
    assert answer.status_code == 201
    made = answer.json()
    client.logout()
    assert client.get("/api/v1/users/me/", **bearer(made["token"])).json()["username"] == "ann"
    listed = client.get(TOKENS, **bearer(made["token"])).json()["results"][0]
    assert "token" not in listed
    assert (listed["id"], listed["name"], listed["user"]) == (made["id"], "script", "ann")


def test_a_token_makes_no_tokens(client):
    secret = make_token(make_user("boss", "admin"), "admin")
    answer = client.post(TOKENS, {"name": "x", "scopes": ["admin"]}, JSON, **bearer(secret))
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    assert Token.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"scopes": "read"}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 731}, "days"),
    ],
)
def test_a_wrong_token_names_its_field(admin, change, field):
    answer = admin.post(TOKENS, {"name": "x", "scopes": ["read"], **change}, JSON)
    assert answer.status_code == 400
    assert field in {item["field"] for item in answer.json()["data"]["errors"]}


def test_a_token_never_reaches_further_than_its_scope_or_its_users_role(client):
    boss, viewer = make_user("boss", "admin"), make_user("ann", "viewer")
    cases = [
        (make_token(boss, "read"), 200, 403, 403),
        (make_token(boss, "write"), 200, 201, 403),
        (make_token(boss, "admin"), 200, 201, 200),
        (make_token(boss, "read", "write"), 200, 201, 403),
        (make_token(viewer, "admin"), 200, 403, 403),
    ]
    for number, (secret, look, change, administer) in enumerate(cases):
        options = bearer(secret)
        body = {"slug": f"t{number}", "name": "x"}
        assert client.get("/api/v1/tests/", **options).status_code == look
        assert client.post("/api/v1/tags/", body, JSON, **options).status_code == change
        assert client.get("/api/v1/audit/", **options).status_code == administer


def test_everybody_revokes_their_own_tokens_only(client):
    ann, bob = make_user("ann", "viewer"), make_user("bob", "viewer")
    mine, other = make_token(ann), make_token(bob)
    client.force_login(ann)
    rows = client.get(TOKENS).json()["results"]
    assert [row["user"] for row in rows] == ["ann"]
    assert client.delete(f"{TOKENS}{other[:15]}/").status_code == 404
    assert client.delete(f"{TOKENS}{mine[:15]}/").status_code == 204
    client.logout()
    assert client.get("/api/v1/users/me/", **bearer(mine)).status_code == 401
    assert client.get("/api/v1/users/me/", **bearer(other)).status_code == 200


def test_an_administrator_sees_and_revokes_everybodys_tokens(admin):
    secret = make_token(make_user("ann", "viewer"))
    rows = admin.get(TOKENS).json()["results"]
    assert [row["user"] for row in rows] == ["ann"]
    assert admin.delete(f"{TOKENS}{secret[:15]}/").status_code == 204
    assert not Token.objects.exists()


def test_an_administrator_of_one_site_sees_no_users_and_no_audit(client):
    client.force_login(make_user("local", "admin", site="vienna"))
    assert client.get("/api/v1/users/").status_code == 403
    assert client.get("/api/v1/audit/").status_code == 403


def test_users_are_listed_with_their_roles(admin):
    make_user("ann", "operator", site="vienna")
    rows = {row["username"]: row for row in admin.get("/api/v1/users/").json()["results"]}
    assert rows["ann"]["roles"][0]["site_slug"] == "vienna"
    assert "password" not in rows["ann"]


def test_the_audit_is_filtered_by_what_and_when(admin):
    create_tag(slug="edge", name="Edge")
    make_token(make_user("ann"))
    assert admin.get("/api/v1/audit/").json()["count"] == 2
    (entry,) = admin.get("/api/v1/audit/?object_type=tag").json()["results"]
    assert (entry["after"]["slug"], entry["after"]["name"]) == ("edge", "Edge")
    assert admin.get(f"/api/v1/audit/{entry['id']}/").json() == entry
    assert admin.get("/api/v1/audit/?action=delete").json()["count"] == 0
    assert admin.get("/api/v1/audit/?before=2000-01-01T00:00:00Z").json()["count"] == 0
    assert admin.get("/api/v1/audit/?after=soon").status_code == 400


def test_nobody_changes_the_audit(admin):
    create_tag(slug="edge", name="Edge")
    (entry,) = admin.get("/api/v1/audit/").json()["results"]
    for method in ("put", "patch", "delete"):
        assert getattr(admin, method)(f"/api/v1/audit/{entry['id']}/").status_code == 405


def test_a_session_needs_its_csrf_token_to_change_anything():
    from django.test import Client as Browser

    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(make_user("ann", "operator"))
    body = {"slug": "x", "name": "x"}
    assert browser.post("/api/v1/tags/", body, JSON).status_code == 403
    secret = make_token(make_user("bob", "operator"), "write")
    assert Browser(enforce_csrf_checks=True).post(
        "/api/v1/tags/", body, JSON, **bearer(secret)
    ).status_code == 201  # fmt: skip


@pytest.mark.parametrize("path", ["users", "tokens", "audit"])
def test_a_longer_list_takes_no_more_queries(admin, path):
    make_token(make_user("u0", "viewer"))
    few = count_queries(lambda: admin.get(f"/api/v1/{path}/"))
    for number in range(1, 8):
        make_token(make_user(f"u{number}", "operator"))
    assert count_queries(lambda: admin.get(f"/api/v1/{path}/")) == few
