"""Users: made, changed, locked out, rescued and deleted; through services, pages, API and CLI."""

from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import AuditEntry, PasswordLink, Role, User
from apps.accounts.services import (
    Grant,
    change_user,
    create_user,
    deactivate_user,
    delete_user,
    issue_password_link,
    reactivate_user,
    reset_second_factor,
    set_password,
    set_password_by_link,
)
from apps.accounts.services.passwords import change_password
from apps.accounts.services.preferences import change_profile
from apps.core.errors import Invalid, NotFound
from tests.factories.accounts import PASSWORD, bearer, make_token, make_user
from tests.factories.clients import make_site

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

USERS = "/api/v1/users/"
JSON = "application/json"
NEW_PASSWORD = "another long enough sentence"


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def boss():
    return make_user("boss", "admin", is_staff=True)


@pytest.fixture
def page(client, boss):
    client.force_login(boss)
    return client


def last_entry():
    return AuditEntry.objects.first()


def test_a_user_is_made_with_roles_and_without_a_password(page):
    make_site("vienna")
    body = {"username": "ann", "email": "ann@example.org", "roles": [{"name": "operator"}]}
    answer = page.post(USERS, body, JSON)
    assert answer.status_code == 201, answer.content
    document = answer.json()
    assert (document["username"], document["roles"][0]["name"]) == ("ann", "operator")
    assert "password" not in document
    assert not User.objects.get(username="ann").has_usable_password()
    entry = last_entry()
    assert (entry.action, entry.via, entry.actor_label) == ("create", "api", "boss")
    assert entry.after["roles"] == ["Allow Operator"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "BOSS"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"roles": [{"name": "king"}]}, "roles.0.name"),
        ({"roles": [{"name": "viewer", "site_slug": "atlantis"}]}, "roles"),
    ],
)
def test_a_wrong_user_names_its_field(page, change, field):
    answer = page.post(USERS, {"username": "ann", **change}, JSON)
    assert answer.status_code == 400
    assert field in {item["field"] for item in answer.json()["data"]["errors"]}
    assert User.objects.count() == 1


def test_users_are_filtered_and_ordered(page):
    make_user("ann", "viewer")
    off = make_user("bob", "operator")
    User.objects.filter(pk=off.pk).update(is_active=False, email="bob@example.org")
    Authenticator.objects.create(user=off, type="totp", data={})

    def find(query):
        return [row["username"] for row in page.get(f"{USERS}?{query}").json()["results"]]

    assert find("q=example") == ["bob"]
    assert find("role=viewer") == ["ann"]
    assert find("role=none") == []
    assert find("is_active=false") == ["bob"]
    assert find("has_second_factor=true") == ["bob"]
    assert find("ordering=-username") == ["boss", "bob", "ann"]
    assert page.get(f"{USERS}?role=king").status_code == 400


def test_a_user_is_renamed_and_the_audit_has_both(page):
    user = make_user("ann")
    answer = page.patch(f"{USERS}{user.pk}/", {"email": "new@example.org"}, JSON)
    assert answer.json()["email"] == "new@example.org"
    entry = last_entry()
    assert (entry.before["email"], entry.after["email"]) == ("", "new@example.org")
    make_user("bob")
    answer = page.patch(f"{USERS}{user.pk}/", {"username": "Bob"}, JSON)
    assert answer.json()["data"]["errors"][0]["code"] == "taken"


def test_saving_the_same_leaves_no_entry():
    user = make_user("ann")
    change_user(user=user, username="ann", email="", first_name="", last_name="")
    assert not AuditEntry.objects.exists()


def test_the_roles_of_a_user_are_read_added_set_and_removed(page):
    make_site("vienna")
    path = f"{USERS}{make_user('ann').pk}/roles/"
    made = page.post(path, {"name": "viewer", "site_slug": "vienna"}, JSON)
    assert made.status_code == 201
    assert page.post(path, {"name": "viewer", "site_slug": "vienna"}, JSON).status_code == 409
    assert page.get(path).json() == [made.json()]
    roles = [{"name": "operator"}, {"name": "operator", "effect": "deny", "site_slug": "vienna"}]
    assert len(page.put(path, {"roles": roles}, JSON).json()) == 2
    effect = page.get(path.replace("roles", "effect")).json()["scopes"]
    assert effect[1]["permission"] == "operate"
    assert effect[1]["denied"] == [{"site_slug": "vienna", "tag_slug": ""}]
    role_id = page.get(path).json()[0]["id"]
    assert page.delete(f"{path}{role_id}/").status_code == 204
    assert page.delete(f"{path}{role_id}/").status_code == 404
    answer = page.post(path, {"name": "viewer", "tag_slug": "atlantis"}, JSON)
    assert (answer.status_code, answer.json()["data"]["errors"][0]["code"]) == (400, "unknown_tag")


def test_nobody_but_an_administrator_of_everything_raises_rights(client):
    local = make_user("local", "admin", site="vienna")
    client.force_login(local)
    path = f"{USERS}{local.pk}/roles/"
    assert client.post(path, {"name": "admin"}, JSON).status_code == 403
    secret = make_token(make_user("boss", "admin"), "write")
    assert client.post(path, {"name": "admin"}, JSON, **bearer(secret)).status_code == 403
    assert client.post(f"/users/{local.pk}/roles/", {"role-name": "admin"}).status_code == 403
    assert Role.objects.filter(user=local).count() == 1


def test_a_user_who_is_locked_out_loses_session_and_token(client, boss):
    user = make_user("ann", "viewer")
    secret = make_token(user)
    client.force_login(user)
    assert client.get("/api/v1/clients/").status_code == 200
    deactivate_user(user=user)
    assert client.get("/api/v1/clients/").status_code == 401
    assert client.get("/api/v1/clients/", **bearer(secret)).status_code == 401


def test_a_role_that_is_taken_counts_for_the_next_request(client, boss):
    user = make_user("ann", "operator")
    client.force_login(user)
    assert client.post("/api/v1/tags/", {"slug": "a", "name": "A"}, JSON).status_code == 201
    user.roles.all().delete()
    assert client.post("/api/v1/tags/", {"slug": "b", "name": "B"}, JSON).status_code == 403


@pytest.mark.parametrize(
    ("deed", "action"),
    [("deactivate", "deactivate"), ("delete", "delete"), ("reset-second-factor", None)],
)
def test_what_an_administrator_does_on_the_page_is_audited(page, deed, action):
    user = make_user("ann", "viewer")
    Authenticator.objects.create(user=user, type="totp", data={})
    answer = page.post(f"/users/{user.pk}/do/{deed}/")
    assert answer.status_code == 302
    entry = last_entry()
    assert (entry.action, entry.via) == (action or "reset second factor", "ui")
    assert entry.before


def test_an_unknown_deed_does_not_exist(page):
    assert page.post(f"/users/{make_user('ann').pk}/do/promote/").status_code == 404


@pytest.mark.parametrize("deed", ["deactivate", "delete"])
def test_the_last_administrator_is_told_on_the_page(page, boss, deed):
    answer = page.post(f"/users/{boss.pk}/do/{deed}/", follow=True)
    assert "last active administrator" in answer.content.decode()
    assert User.objects.get(pk=boss.pk).is_active


def test_the_last_administrator_stays_through_the_api(page, boss):
    path = f"{USERS}{boss.pk}/"
    for answer in (
        page.delete(path),
        page.post(f"{path}deactivate/"),
        page.put(f"{path}roles/", {"roles": []}, JSON),
        page.delete(f"{path}roles/{boss.roles.get().pk}/"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


def test_the_last_administrator_stays_through_the_admin_console(page, boss):
    role = boss.roles.get()
    base = {
        "username": "boss",
        "is_staff": "on",
        "theme": "system",
        "roles-TOTAL_FORMS": 1,
        "roles-INITIAL_FORMS": 1,
        "roles-MIN_NUM_FORMS": 0,
        "roles-MAX_NUM_FORMS": 1000,
        "roles-0-id": role.pk,
        "roles-0-user": boss.pk,
        "roles-0-name": "admin",
        "roles-0-effect": "allow",
    }
    path = reverse("admin:accounts_user_change", args=[boss.pk])
    assert page.post(path, base).status_code == 409
    assert page.post(path, {**base, "is_active": "on", "roles-0-DELETE": "on"}).status_code == 409
    delete = reverse("admin:accounts_user_delete", args=[boss.pk])
    assert page.post(delete, {"post": "yes"}).status_code in {403, 409}
    chosen = {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
    page.post(reverse("admin:accounts_user_changelist"), chosen)
    assert User.objects.get(pk=boss.pk).is_active
    assert boss.roles.exists()


def test_the_admin_console_takes_no_role_at_a_site_that_is_none(page):
    user = make_user("ann")
    data = {
        "username": "ann",
        "is_active": "on",
        "theme": "system",
        "roles-TOTAL_FORMS": 1,
        "roles-INITIAL_FORMS": 0,
        "roles-MIN_NUM_FORMS": 0,
        "roles-MAX_NUM_FORMS": 1000,
        "roles-0-name": "viewer",
        "roles-0-effect": "deny",
        "roles-0-site_slug": "atlantis",
    }
    answer = page.post(reverse("admin:accounts_user_change", args=[user.pk]), data)
    assert "there is no site" in answer.content.decode()
    assert not user.roles.exists()


def test_a_deleted_user_leaves_the_audit_alone(boss):
    user = make_user("ann", "viewer")
    make_token(user)
    delete_user(user=user)
    entry = last_entry()
    assert (entry.action, entry.before["username"]) == ("delete", "ann")
    assert not User.objects.filter(username="ann").exists()


def test_a_password_link_works_once(client):
    user = make_user("ann")
    _link, secret = issue_password_link(user=user)
    path = f"/password/{secret}/"
    assert client.get(path).status_code == 200
    data = {"password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    assert client.post(path, {**data, "password_again": "x"}).status_code == 422
    assert client.post(path, {"password": "short", "password_again": "short"}).status_code == 422
    assert client.post(path, data).status_code == 302
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    answer = client.post(path, data)
    assert answer.status_code == 404
    assert "used already" in answer.content.decode()
    assert last_entry().action == "reset password"


def test_a_password_link_is_stored_hashed_expires_and_is_replaced():
    user = make_user("ann")
    link, secret = issue_password_link(user=user)
    assert secret not in (link.digest, str(link.__dict__))
    _newer, newer_secret = issue_password_link(user=user)
    with pytest.raises(NotFound):
        set_password_by_link(secret=secret, password=NEW_PASSWORD)
    PasswordLink.objects.update(expires_at=timezone.now())
    with pytest.raises(NotFound, match="expired"):
        set_password_by_link(secret=newer_secret, password=NEW_PASSWORD)
    assert user.check_password(PASSWORD)


def test_a_password_link_of_a_locked_out_user_is_void(boss):
    user = make_user("ann")
    _link, secret = issue_password_link(user=user)
    deactivate_user(user=user)
    with pytest.raises(NotFound):
        set_password_by_link(secret=secret, password=NEW_PASSWORD)


def test_a_password_link_is_in_the_answer_once(page):
    user = make_user("ann")
    answer = page.post(f"{USERS}{user.pk}/password-link/", {}, JSON)
    assert answer.status_code == 201
    assert answer.json()["link"].startswith("http://testserver/password/")
    assert answer.json()["is_queued"] is False
    shown = page.post(f"/users/{user.pk}/password-link/").content.decode()
    assert "http://testserver/password/" in shown
    assert page.get(f"/users/{user.pk}/").content.decode().count("/password/") == 0


def test_the_second_factor_is_reset():
    user = make_user("ann")
    assert reset_second_factor(user=user) is False
    assert not AuditEntry.objects.exists()
    Authenticator.objects.create(user=user, type="totp", data={})
    assert reset_second_factor(user=user) is True
    assert not Authenticator.objects.exists()
    assert last_entry().before == {"factors": ["totp"]}


def test_a_user_is_made_on_the_page(page):
    make_site("vienna")
    data = {
        "username": "ann",
        "form-TOTAL_FORMS": 3,
        "form-INITIAL_FORMS": 0,
        "form-0-name": "viewer",
        "form-0-effect": "allow",
        "form-0-site": "vienna",
    }
    answer = page.post("/users/new/", data)
    assert answer.status_code == 200
    assert "/password/" in answer.content.decode()
    assert str(User.objects.get(username="ann").roles.get()) == "Allow Viewer (vienna)"
    taken = page.post("/users/new/", {**data, "username": "Ann"})
    assert taken.status_code == 422
    assert "Another user is named" in taken.content.decode()
    wrong = page.post("/users/new/", {**data, "username": "bob", "form-0-site": "atlantis"})
    assert wrong.status_code == 422


def test_roles_are_given_and_taken_on_the_page(page):
    user = make_user("ann")
    path = f"/users/{user.pk}/roles/"
    data = {"role-name": "viewer", "role-effect": "allow"}
    assert page.post(path, data).status_code == 302
    again = page.post(path, data)
    assert (again.status_code, "has this role already" in again.content.decode()) == (422, True)
    assert page.post(f"{path}{user.roles.get().pk}/remove/").status_code == 302
    assert not user.roles.exists()


def test_the_list_shows_filters_in_its_address(page):
    make_user("ann", "viewer")
    text = page.get("/users/?role=viewer&sort=-name").content.decode()
    assert ">ann<" in text
    assert ">boss</a>" not in text
    nothing = page.get("/users/?q=nobody").content.decode()
    assert "No user fits this filter" in nothing


def run(*arguments, stdin=None, monkeypatch=None):
    output = StringIO()
    if stdin is not None:
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
    call_command("user", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_makes_locks_out_and_rescues(monkeypatch):
    text = run("create", "ann", "--role", "admin")
    assert "/password/" in text
    assert (last_entry().via, last_entry().actor_label) == ("command", "command line")
    with pytest.raises(CommandError, match="last active administrator"):
        run("deactivate", "ann")
    run("create", "bob", "--password-stdin", stdin=f"{PASSWORD}\n", monkeypatch=monkeypatch)
    assert User.objects.get(username="bob").check_password(PASSWORD)
    run("deactivate", "bob")
    assert not User.objects.get(username="bob").is_active
    run("reactivate", "bob")
    assert "/password/" in run("reset-password", "bob")
    run("reset-password", "bob", "--password-stdin", stdin=NEW_PASSWORD, monkeypatch=monkeypatch)
    assert User.objects.get(username="bob").check_password(NEW_PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("deactivate", "nobody"), "no user 'nobody'"),
        (("create", "x", "--site", "vienna"), "--role"),
        (("create", "x", "--role", "viewer", "--site", "atlantis"), "no site 'atlantis'"),
        (("create", "a b"), "username"),
    ],
)
def test_the_command_names_what_is_wrong(arguments, text):
    with pytest.raises(CommandError, match=text):
        run(*arguments)


def test_a_password_of_the_user_s_own_name_is_refused():
    with pytest.raises(Invalid):
        create_user(username="annabellamaria", password="annabellamaria", grants=[Grant("viewer")])


def test_signing_in_and_failing_to_leave_entries(client):
    make_user("ann", "viewer")
    client.post("/accounts/login/", {"login": "ann", "password": "wrong"})
    entry = AuditEntry.objects.get(action="fail to sign in")
    assert (entry.object_label, entry.actor, entry.after) == ("ann", None, {})
    client.post("/accounts/login/", {"login": "S3cret typed too early", "password": "x"})
    entry = AuditEntry.objects.filter(action="fail to sign in").first()
    assert (entry.object_label, entry.object_id) == ("unknown user", "")
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    assert AuditEntry.objects.get(action="sign in").actor_label == "ann"
    client.post("/accounts/logout/")
    assert AuditEntry.objects.get(action="sign out").actor_label == "ann"


def test_a_change_of_names_keeps_what_changed_meanwhile():
    ann = make_user("ann", "viewer")
    stale = User.objects.get(pk=ann.pk)
    set_password(user=User.objects.get(pk=ann.pk), password=NEW_PASSWORD)
    deactivate_user(user=User.objects.get(pk=ann.pk))
    change_user(user=stale, username="ann", email="n@example.org", first_name="", last_name="")
    ann.refresh_from_db()
    assert (ann.email, ann.is_active) == ("n@example.org", False)
    assert ann.check_password(NEW_PASSWORD)


def test_a_user_who_is_gone_is_not_changed_into_being():
    ann = make_user("ann")
    stale = User.objects.get(pk=ann.pk)
    ann.delete()
    with pytest.raises(NotFound):
        change_user(user=stale, username="ann", email="", first_name="Ann", last_name="")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda user: set_password(user=user, password=NEW_PASSWORD),
        lambda user: change_password(
            user=user, current_password=PASSWORD, new_password=NEW_PASSWORD
        ),
        lambda user: change_profile(user=user, changes={"email": "n@example.org"}),
        lambda user: change_user(
            user=user, username="ann", email="n@example.org", first_name="", last_name=""
        ),
        lambda user: (deactivate_user(user=user), reactivate_user(user=user)),
    ],
    ids=["reset", "password", "own e-mail", "e-mail", "activity"],
)
def test_an_open_password_link_ends_with(change):
    ann = make_user("ann", "viewer")
    _link, secret = issue_password_link(user=ann)
    change(ann)
    with pytest.raises(NotFound):
        set_password_by_link(secret=secret, password="what somebody else would choose")


def test_a_change_of_names_leaves_the_password_link_open():
    ann = make_user("ann", "viewer")
    _link, secret = issue_password_link(user=ann)
    change_user(user=ann, username="ann", email="", first_name="Ann", last_name="")
    change_profile(user=ann, changes={"theme": "dark"})
    assert set_password_by_link(secret=secret, password=NEW_PASSWORD) == ann


def test_a_password_that_is_reset_revokes_the_api_tokens(client):
    ann, bea = make_user("ann", "viewer"), make_user("bea", "viewer")
    secret, other = make_token(ann), make_token(bea)
    _link, way_in = issue_password_link(user=ann)
    assert client.get("/api/v1/users/me/", **bearer(secret)).status_code == 200
    set_password_by_link(secret=way_in, password=NEW_PASSWORD)
    assert client.get("/api/v1/users/me/", **bearer(secret)).status_code == 401
    assert client.get("/api/v1/users/me/", **bearer(other)).status_code == 200
    assert AuditEntry.objects.filter(action="revoke", object_type="token").count() == 1
