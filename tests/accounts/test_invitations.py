"""Invitations: made, mailed, accepted once, and void for every other reason."""

from datetime import timedelta

import pytest
from celery import current_app
from django.template.loader import render_to_string
from kombu.exceptions import OperationalError

from apps.accounts import tasks
from apps.accounts.models import AuditEntry, Invitation, PasswordLink, Role, User
from apps.accounts.selectors import name_invitation_state
from apps.accounts.services import (
    Grant,
    accept_invitation,
    add_role,
    deactivate_user,
    delete_user,
    invite,
    issue_password_link,
    renew_invitation,
    revoke_invitation,
    set_roles,
)
from apps.configuration.errors import MailFault, MailNotConfigured
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotFound
from tests.factories.accounts import PASSWORD, make_user
from tests.factories.clients import make_client, make_site
from tests.factories.threads import run_together

pytestmark = pytest.mark.django_db

INVITATIONS = "/api/v1/invitations/"
JSON = "application/json"
ACCOUNT = {
    "username": "ann",
    "first_name": "Ann",
    "last_name": "",
    "password": PASSWORD,
    "password_again": PASSWORD,
}
ROLE_ROWS = {"form-TOTAL_FORMS": 3, "form-INITIAL_FORMS": 0}


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def queued(monkeypatch):
    """What would be mailed, instead of a queue that is not there."""
    found = []
    monkeypatch.setattr(current_app, "send_task", lambda _name, args: found.append(args))
    return found


@pytest.fixture
def boss():
    return make_user("boss", "admin")


@pytest.fixture
def page(client, boss):
    client.force_login(boss)
    return client


def make_invitation(boss, **changes):
    make_site("vienna")
    wanted = {
        "email": "ann@example.org",
        "grants": [Grant("viewer", site_slug="vienna")],
        "invited_by": boss,
    }
    return invite(**{**wanted, **changes})


def accept(secret, **changes):
    wanted = {name: ACCOUNT[name] for name in ("username", "first_name", "last_name", "password")}
    return accept_invitation(secret=secret, **{**wanted, **changes})


def test_an_invited_viewer_of_one_site_sees_only_that_site(client, boss, queued):
    make_client("inside", site="vienna")
    make_client("outside", site="graz")
    client.force_login(boss)
    data = {
        **ROLE_ROWS,
        "email": "ann@example.org",
        "life": 3600,
        "form-0-name": "viewer",
        "form-0-site": "vienna",
    }
    shown = client.post("/users/invitations/new/", data)
    assert shown.status_code == 200
    [(_digest, link)] = queued
    assert link in shown.content.decode()
    client.logout()
    path = link.removeprefix("http://testserver")
    text = client.get(path).content.decode()
    assert "boss invites you" in text
    assert "Viewer, site Vienna" in " ".join(text.split())
    answer = client.post(path, ACCOUNT)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    assert "_auth_user_id" not in client.session
    user = User.objects.get(username="ann")
    assert (user.email, user.first_name) == ("ann@example.org", "Ann")
    client.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    names = [row["name"] for row in client.get("/api/v1/clients/").json()["results"]]
    assert names == ["inside"]


def test_the_secret_is_stored_hashed_and_stays_out_of_the_audit(boss):
    invitation, secret = make_invitation(boss)
    assert secret not in str(Invitation.objects.values().get())
    entry = AuditEntry.objects.get(action="create", object_type="invitation")
    assert secret not in str(entry.after)
    assert invitation.digest not in str(entry.after)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@example.org\nBcc: b@example.org"}, "email"),
        ({"email": f"{'x' * 250}@example.org"}, "email"),
        ({"grants": []}, "roles"),
        ({"grants": [Grant("king")]}, "roles"),
        ({"grants": [Grant("viewer", site_slug="atlantis")]}, "roles"),
        ({"life": timedelta(minutes=59)}, "life_hours"),
        ({"life": timedelta(days=30, seconds=1)}, "life_hours"),
    ],
)
def test_a_wrong_invitation_names_its_field(boss, change, field):
    with pytest.raises(Invalid) as caught:
        make_invitation(boss, **change)
    assert field in {error.field for error in caught.value.errors}
    assert not Invitation.objects.exists()


def test_an_invitation_is_accepted_once(client, boss):
    _invitation, secret = make_invitation(boss)
    accept(secret)
    with pytest.raises(NotFound) as caught:
        accept(secret, username="bob")
    assert caught.value.code == "invitation_accepted"
    answer = client.get(f"/invitation/{secret}/")
    assert answer.status_code == 404
    assert "accepted already" in answer.content.decode()
    assert [entry.action for entry in AuditEntry.objects.all()[:2]] == ["accept", "create"]


@pytest.mark.django_db(transaction=True)
def test_an_invitation_that_is_accepted_twice_at_once_makes_one_account(boss):
    _invitation, secret = make_invitation(boss)

    def take(number):
        try:
            return accept(secret, username=f"user{number}").username
        except NotFound:
            return ""

    assert len([name for name in run_together(4, take) if name]) == 1
    assert User.objects.count() == 2


def test_an_expired_invitation_is_void(client, boss):
    invitation, secret = make_invitation(boss)
    Invitation.objects.update(expires_at=read_now())
    answer = client.post(f"/invitation/{secret}/", ACCOUNT)
    assert (answer.status_code, "has expired" in answer.content.decode()) == (404, True)
    invitation.refresh_from_db()
    assert name_invitation_state(invitation, read_now()) == "expired"
    assert not User.objects.filter(username="ann").exists()


def test_a_revoked_invitation_is_void(client, boss):
    invitation, secret = make_invitation(boss)
    revoke_invitation(invitation=invitation)
    answer = client.get(f"/invitation/{secret}/")
    assert (answer.status_code, "withdrawn" in answer.content.decode()) == (404, True)
    with pytest.raises(Conflict):
        revoke_invitation(invitation=invitation)
    with pytest.raises(Conflict):
        renew_invitation(invitation=invitation)


def test_what_ended_more_than_thirty_days_ago_is_forgotten(boss):
    now, old = read_now(), timedelta(days=30, seconds=1)
    ends = {"accepted": "accepted_at", "revoked": "revoked_at", "expired": "expires_at"}
    for word, field in ends.items():
        for age in (old, timedelta(days=29)):
            invitation, _secret = make_invitation(boss, email=f"{word}@{age.days}.example.org")
            Invitation.objects.filter(id=invitation.id).update(**{field: now - age})
    make_invitation(boss)
    for user, age in ((boss, old), (make_user("ann"), timedelta(days=29))):
        link, _secret = issue_password_link(user=user)
        PasswordLink.objects.filter(id=link.id).update(expires_at=now - age)
    tasks.forget_expired()
    kept = set(Invitation.objects.values_list("email", flat=True))
    assert kept == {"ann@example.org", *(f"{word}@29.example.org" for word in ends)}
    assert PasswordLink.objects.get().user.username == "ann"


@pytest.mark.parametrize("secret", ["x", "0" * 43])
def test_an_unknown_invitation_gets_a_clear_page(client, boss, secret):
    answer = client.get(f"/invitation/{secret}/")
    assert (answer.status_code, "not known here" in answer.content.decode()) == (404, True)


def test_a_renewed_invitation_has_another_link_and_the_same_life(boss):
    invitation, secret = make_invitation(boss, life=timedelta(hours=2))
    Invitation.objects.update(mail_fault="full", sent_at=read_now())
    newer = renew_invitation(invitation=invitation)
    with pytest.raises(NotFound):
        accept(secret)
    assert invitation.expires_at - invitation.created_at == timedelta(hours=2)
    assert (invitation.mail_fault, invitation.sent_at) == ("", None)
    assert accept(newer).email == "ann@example.org"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"username": "BOSS"}, "Another user is named"),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password_again": "different"}, "differ"),
        ({"username": ""}, "required"),
    ],
)
def test_a_wrong_account_is_told_and_the_link_still_works(client, boss, change, text):
    _invitation, secret = make_invitation(boss)
    answer = client.post(f"/invitation/{secret}/", {**ACCOUNT, **change})
    assert (answer.status_code, text in answer.content.decode()) == (422, True)
    assert client.post(f"/invitation/{secret}/", ACCOUNT).status_code == 302


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (MailFault("the server refused it"), "the server refused it"),
        (MailNotConfigured(), "No mail"),
    ],
)
def test_a_mail_that_fails_is_told_in_the_list(page, boss, monkeypatch, fault, text):
    def refuse(**_message):
        raise fault

    monkeypatch.setattr(tasks, "send_message", refuse)
    invitation, secret = make_invitation(boss)
    tasks.mail_invitation(invitation.digest, f"http://x/invitation/{secret}/")
    [row] = page.get(f"{INVITATIONS}?state=fault").json()["results"]
    assert text in row["mail_fault"]
    assert text in page.get("/users/invitations/").content.decode()
    assert accept(secret)


def test_a_mail_holds_the_link_once_and_escapes_names(boss, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks, "send_message", lambda **message: sent.append(message))
    User.objects.filter(pk=boss.pk).update(first_name="<b>Bo\nss</b>")
    invitation, secret = make_invitation(boss)
    link = f"https://swarm.example/invitation/{secret}/"
    tasks.mail_invitation(invitation.digest, link)
    # A task that comes twice mails once.
    tasks.mail_invitation(invitation.digest, link)
    [message] = sent
    assert message["to"] == ["ann@example.org"]
    assert link in message["text"]
    assert link in message["html"]
    assert "<b>" not in message["html"]
    assert "<img" not in message["html"]
    assert not {"\r", "\n"} & set(message["subject"])
    assert Invitation.objects.get().sent_at is not None


def test_what_is_queued_are_tasks_that_there_are(page, boss, monkeypatch):
    names = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **_options: names.append(name))
    User.objects.filter(pk=boss.pk).update(email="boss@example.org")
    page.post(INVITATIONS, {"email": "a@example.org", "roles": [{"name": "viewer"}]}, JSON)
    answer = page.post(f"/api/v1/users/{boss.pk}/password-link/", {"by_mail": True}, JSON)
    page.post("/audit/verify/")
    assert answer.json()["is_queued"] is True
    found = {tasks.mail_invitation.name, tasks.mail_password_link.name, tasks.verify_audit.name}
    assert set(names) == found


@pytest.mark.parametrize("name", ["invitation", "password_link", "audit_head"])
def test_mails_load_nothing_from_anywhere(name):
    text = render_to_string(f"emails/{name}.html", {"link": "https://swarm.example/x"})
    assert "src=" not in text
    assert "<style" not in text


def test_a_queue_that_is_away_leaves_the_link_to_be_handed_over(page, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OperationalError

    monkeypatch.setattr(current_app, "send_task", refuse)
    body = {"email": "ann@example.org", "roles": [{"name": "viewer"}]}
    answer = page.post(INVITATIONS, body, JSON).json()
    assert answer["state"] == "fault"
    assert "queue does not answer" in answer["mail_fault"]
    assert "/invitation/" in answer["link"]


def test_invitations_through_the_api(page, queued, settings):
    settings.BASE_URL = "https://swarm.example"
    body = {"email": "ann@example.org", "roles": [{"name": "viewer"}], "life_hours": 24}
    made = page.post(INVITATIONS, body, JSON)
    assert made.status_code == 201
    assert made.json()["link"].startswith("https://swarm.example/invitation/")
    assert len(queued) == 1
    path = f"{INVITATIONS}{made.json()['id']}/"
    assert "link" not in page.get(path).json()
    again = page.post(f"{path}resend/", {"by_mail": False}, JSON).json()
    assert again["link"] != made.json()["link"]
    assert len(queued) == 1
    assert page.delete(path).status_code == 204
    assert page.get(path).json()["state"] == "revoked"
    assert page.post(f"{path}resend/", {}, JSON).status_code == 409
    assert page.get(f"{INVITATIONS}?state=open").json()["count"] == 0
    for wrong in ({"life_hours": 0}, {"life_hours": 721}, {"roles": []}, {"email": "x"}):
        assert page.post(INVITATIONS, {**body, **wrong}, JSON).status_code == 400


def test_the_page_lists_resends_and_revokes(page, boss):
    invitation, secret = make_invitation(boss)
    text = page.get("/users/invitations/?state=open").content.decode()
    assert "ann@example.org" in text
    assert secret not in text
    assert page.post(f"/users/invitations/{invitation.pk}/resend/").status_code == 200
    assert page.post(f"/users/invitations/{invitation.pk}/revoke/").status_code == 302
    refused = page.post(f"/users/invitations/{invitation.pk}/resend/", follow=True)
    assert "was revoked already" in refused.content.decode()
    wrong = {**ROLE_ROWS, "email": "x", "life": 3600}
    assert page.post("/users/invitations/new/", wrong).status_code == 422


@pytest.mark.parametrize(
    "end",
    [
        lambda user: deactivate_user(user=user),
        lambda user: delete_user(user=user),
        lambda user: set_roles(user=user, grants=[Grant("operator")]),
        lambda user: add_role(user=user, grant=Grant("viewer", "deny", site_slug="vienna")),
    ],
    ids=["deactivated", "deleted", "demoted", "denied"],
)
def test_open_invitations_end_with_the_rights_of_whoever_made_them(boss, end):
    other = make_user("other", "admin")
    invitation, secret = make_invitation(other)
    _second, kept = invite(email="b@example.org", grants=[Grant("viewer")], invited_by=boss)
    end(other)
    invitation.refresh_from_db()
    assert name_invitation_state(invitation, read_now()) == "revoked"
    entry = AuditEntry.objects.get(action="revoke", object_type="invitation")
    assert entry.object_id == str(invitation.pk)
    with pytest.raises(NotFound):
        accept(secret)
    assert accept(kept, username="bea").email == "b@example.org"


def test_an_invitation_counts_only_while_its_maker_administers_everything(boss):
    _invitation, secret = make_invitation(boss)
    Role.objects.filter(user=boss).update(name="operator")
    with pytest.raises(NotFound) as caught:
        accept(secret)
    assert caught.value.code == "invitation_revoked"


def test_another_role_leaves_the_invitations_of_an_administrator_alone(boss):
    _invitation, secret = make_invitation(boss)
    add_role(user=boss, grant=Grant("viewer", site_slug="vienna"))
    assert accept(secret).username == "ann"
