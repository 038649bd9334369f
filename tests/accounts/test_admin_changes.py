"""Every change that is made in the admin is audited."""

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEntry, Role, Token, User
from apps.clients.models import Client, EnrolmentToken, Site, Tag
from apps.core.clock import read_now
from tests.accounts.admin_pages import address
from tests.factories.accounts import PASSWORD, make_token, make_user
from tests.factories.clients import make_client, make_enrolment, make_site, make_tag

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def boss(client):
    client.force_login(make_user("boss", "admin", is_staff=True))
    return client


def last_entry():
    return AuditEntry.objects.first()


def test_a_site_that_is_made_and_changed_leaves_entries(boss):
    boss.post(address(Site, "add"), {"slug": "vienna", "name": "Vienna"})
    entry = last_entry()
    assert (entry.action, entry.via, entry.actor_label) == ("create", "admin", "boss")
    assert entry.after["name"] == "Vienna"
    site = Site.objects.get()
    boss.post(address(Site, "change", site.pk), {"name": "Wien", "slug": "other"})
    entry = last_entry()
    assert (entry.action, entry.before, entry.after) == (
        "change",
        {"name": "Vienna"},
        {"name": "Wien"},
    )
    site.refresh_from_db()
    assert site.slug == "vienna"


def test_saving_without_a_change_leaves_no_entry(boss):
    site = make_site()
    boss.post(address(Site, "change", site.pk), {"name": site.name})
    assert not AuditEntry.objects.exists()


def test_deleting_leaves_an_entry_with_what_was(boss):
    tag = make_tag()
    boss.post(address(Tag, "delete", tag.pk), {"post": "yes"})
    assert not Tag.objects.exists()
    entry = last_entry()
    assert (entry.action, entry.before["slug"]) == ("delete", "edge")


def test_a_place_that_a_role_names_is_not_deleted(boss):
    make_user("ann", "viewer", tag="edge")
    tag = make_tag()
    answer = boss.post(address(Tag, "delete", tag.pk), {"post": "yes"})
    assert answer.status_code == 409
    assert Tag.objects.exists()
    assert not AuditEntry.objects.filter(action="delete").exists()


def test_a_client_is_renamed_and_moved_but_its_record_stays_the_programs(boss):
    probe = make_client(tags=["edge"], last_heartbeat_at=read_now())
    data = {"name": "new", "site": make_site().pk, "tags": [make_tag("core").pk], "presence": "x"}
    boss.post(address(Client, "change", probe.pk), data)
    probe.refresh_from_db()
    assert (probe.name, probe.site.slug, probe.presence) == ("new", "vienna", "never")
    entry = last_entry()
    assert (entry.before["name"], entry.after["name"]) == ("probe-1", "new")
    assert (entry.before["tags"], entry.after["tags"]) == (["Edge"], ["Core"])
    assert boss.get(address(Client, "delete", probe.pk)).status_code == 403


def roles_form(*rows, initial=0):
    """What the form sends of the roles below the user."""
    data = {
        "roles-TOTAL_FORMS": len(rows),
        "roles-INITIAL_FORMS": initial,
        "roles-MIN_NUM_FORMS": 0,
        "roles-MAX_NUM_FORMS": 1000,
    }
    for number, row in enumerate(rows):
        data |= {f"roles-{number}-{name}": value for name, value in row.items()}
    return data


def user_form(user):
    return {"username": user.username, "is_active": "on", "theme": "system"}


def test_a_role_that_is_given_and_taken_leaves_entries(boss):
    make_site()
    user = make_user("ann")
    row = {"name": "operator", "effect": "allow", "site_slug": "vienna", "tag_slug": ""}
    path = address(User, "change", user.pk)
    answer = boss.post(path, {**user_form(user), **roles_form(row)})
    assert answer.status_code == 302, answer.content
    assert Role.objects.get(user=user).name == "operator"
    entry = last_entry()
    assert entry.before["roles"] == []
    assert entry.after["roles"] == ["Allow Operator (vienna)"]
    kept = {**row, "id": Role.objects.get(user=user).pk, "user": user.pk, "DELETE": "on"}
    boss.post(path, {**user_form(user), **roles_form(kept, initial=1)})
    assert last_entry().after["roles"] == []


def test_a_user_that_is_made_leaves_an_entry_without_the_password(boss):
    data = {
        "username": "new",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    answer = boss.post(address(User, "add"), {**data, **roles_form()})
    assert answer.status_code == 302, answer.content
    entry = last_entry()
    assert (entry.action, entry.after["username"]) == ("create", "new")
    assert "password" not in entry.after


def test_a_password_that_is_changed_leaves_an_entry_without_it(boss):
    user = make_user("ann")
    path = reverse("admin:auth_user_password_change", args=[user.pk])
    new = "another long enough password"
    answer = boss.post(path, {"password1": new, "password2": new, "usable_password": "true"})
    assert answer.status_code == 302, answer.content
    user.refresh_from_db()
    assert user.check_password(new)
    entry = last_entry()
    assert (entry.action, entry.after) == ("change", {"password": "changed"})


def test_a_token_is_revoked_and_an_enrolment_token_too(boss):
    make_token(make_user("ann", "viewer"))
    boss.post(address(Token, "delete", Token.objects.get().pk), {"post": "yes"})
    assert not Token.objects.exists()
    entry = last_entry()
    assert (entry.action, entry.object_type, entry.object_label) == ("delete", "token", "test")
    assert not {"digest", "token_key"} & set(entry.before)
    make_enrolment()
    token = EnrolmentToken.objects.get()
    boss.post(address(EnrolmentToken), {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert last_entry().action == "revoke"


def test_several_rows_that_are_deleted_leave_an_entry_each(boss):
    for name in ("a", "b"):
        make_token(make_user(name, "viewer"))
    selected = [token.pk for token in Token.objects.all()]
    data = {"action": "delete_selected", "_selected_action": selected, "post": "yes"}
    boss.post(address(Token), data)
    assert not Token.objects.exists()
    assert AuditEntry.objects.filter(action="delete", object_type="token").count() == 2
