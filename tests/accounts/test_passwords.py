"""Changing one's password: the rules, and what ends with it."""

import pytest
from django.contrib.auth.hashers import check_password
from django.test import Client as Browser

from apps.accounts.models import AuditEntry
from tests.factories.accounts import PASSWORD, bearer, make_session, make_token, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

PATH, ME = "/api/v1/users/me/password/", "/api/v1/users/me/"
NEW = "four other words entirely"


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def ann():
    return make_user("annabel-lee", "viewer")


def sign_in(user):
    browser = Browser()
    browser.force_login(user)
    return browser


def ask(browser, new=NEW, current=PASSWORD, **options):
    body = {"current_password": current, "new_password": new}
    return browser.post(PATH, body, content_type="application/json", **options)


def send(browser, new=NEW, current=PASSWORD, again=None):
    form = {"current_password": current, "new_password": new, "new_password_again": again or new}
    return browser.post("/profile/password/", form)


@pytest.mark.parametrize("change", [ask, send])
def test_this_session_stays_and_every_other_ends(ann, change):
    here, there = sign_in(ann), sign_in(ann)
    make_session(ann)
    assert change(here).status_code in {204, 302}
    assert here.get(ME).status_code == 200
    assert there.get(ME).status_code == 401
    assert there.get("/").headers["Location"].startswith("/accounts/login/")
    sessions = here.get("/api/v1/sessions/").json()["results"]
    assert [session["is_current"] for session in sessions] == [True]
    ann.refresh_from_db()
    assert check_password(NEW, ann.password)


def test_the_key_of_the_session_that_stays_is_a_new_one(ann):
    here = sign_in(ann)
    old = here.cookies["sessionid"].value
    send(here)
    assert here.cookies["sessionid"].value != old
    replay = Browser()
    replay.cookies["sessionid"] = old
    assert replay.get(ME).status_code == 401


def test_api_tokens_go_on(ann):
    secret = make_token(ann)
    ask(sign_in(ann))
    assert Browser().get(ME, **bearer(secret)).status_code == 200


def test_the_audit_names_the_change_and_no_password(ann):
    ask(sign_in(ann))
    entry = AuditEntry.objects.get(action="change password")
    assert (entry.actor, entry.object_label) == (ann, "annabel-lee")
    for row in AuditEntry.objects.all():
        assert PASSWORD not in f"{row.before}{row.after}"
        assert NEW not in f"{row.before}{row.after}"


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("short words", "at least 12"),
        ("x" * 129, "at most 128"),
        ("1q2w3e4r5t6y", "too common"),
        ("annabel-lee-1", "too similar"),
        (PASSWORD, "must differ"),
    ],
)
def test_a_password_that_breaks_a_rule_is_refused_with_the_rule(ann, new, words):
    here = sign_in(ann)
    answer = ask(here, new)
    assert answer.status_code == 400
    problem = answer.json()["data"]["errors"][0]
    assert problem["field"] == "new_password"
    assert words in problem["detail"].lower()
    shown = send(here, new)
    assert shown.status_code == 422
    assert words in shown.content.decode().lower()
    ann.refresh_from_db()
    assert check_password(PASSWORD, ann.password)


@pytest.mark.parametrize(
    "new",
    ["x7" * 64, "abcdefghijklmnop" * 4, "all lower case words", "\u00e4\u00f6\u00fc \u732b " * 4],
)
def test_long_and_plain_passwords_are_taken(ann, new):
    assert ask(sign_in(ann), new).status_code == 204


def test_the_present_password_is_needed(ann):
    here = sign_in(ann)
    answer = ask(here, current="wrong")
    assert answer.status_code == 400
    assert answer.json()["data"]["errors"][0]["field"] == "current_password"
    assert "is not your password" in send(here, current="wrong").content.decode().lower()


def test_the_new_password_is_typed_twice(ann):
    answer = send(sign_in(ann), again="something else altogether")
    assert answer.status_code == 422
    assert "differ" in answer.content.decode()


def test_spaces_at_the_ends_belong_to_the_password(ann):
    assert ask(sign_in(ann), "  four other words  ").status_code == 204
    ann.refresh_from_db()
    assert check_password("  four other words  ", ann.password)


def test_an_api_token_does_not_change_the_password(ann):
    secret = make_token(ann, "admin")
    assert ask(Browser(), **bearer(secret)).status_code == 403
