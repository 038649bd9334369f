"""Sessions: listed, ended, idle, too old; and what keeps one alive."""

from datetime import timedelta

import pytest
import time_machine
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from apps.accounts.browsers import describe_browser
from apps.accounts.models import AuditEntry
from apps.accounts.tasks import forget_expired
from apps.configuration.models import Setting
from apps.core.clock import read_now
from apps.core.errors import NotAuthenticated
from apps.dashboard.consumers import authorise_session
from tests.factories.accounts import PASSWORD, bearer, make_session, make_token, make_user

pytestmark = pytest.mark.django_db

SESSIONS, ME = "/api/v1/sessions/", "/api/v1/users/me/"
PAGE = {"accept": "text/html,application/xhtml+xml"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def clock():
    with time_machine.travel(read_now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann():
    return make_user("ann", "viewer")


def sign_in(**options):
    browser = Browser(headers={"user-agent": FIREFOX})
    form = {"login": "ann", "password": PASSWORD}
    assert browser.post("/accounts/login/", form, **options).status_code == 302
    return browser


def is_in(browser, **options):
    answer = browser.get("/", headers=PAGE, **options)
    if answer.status_code == 302:
        assert answer.headers["Location"].startswith("/accounts/login/")
    return answer.status_code == 200


def test_the_list_says_which_where_with_what_and_since_when(ann, clock):
    here = sign_in(REMOTE_ADDR="192.0.2.1")
    make_session(ann, address="198.51.100.9")
    rows = here.get(SESSIONS).json()["results"]
    assert [(row["address"], row["browser"], row["is_current"]) for row in rows] == [
        ("198.51.100.9", "Firefox on Linux", False),
        ("192.0.2.1", "Firefox on Linux", True),
    ]
    text = here.get("/profile/sessions/").content.decode()
    assert text.count("this session") == 1
    assert "198.51.100.9" in text


def test_the_key_changes_at_sign_in(ann):
    browser = Browser()
    browser.get("/accounts/login/")
    browser.session.save()
    before = browser.session.session_key
    browser.cookies["sessionid"] = before
    browser.post("/accounts/login/", {"login": "ann", "password": PASSWORD})
    assert browser.cookies["sessionid"].value != before


def test_an_ended_session_goes_to_sign_in_with_its_next_request(ann):
    here, there = sign_in(), sign_in()
    rows = here.get(SESSIONS).json()["results"]
    other = next(row for row in rows if not row["is_current"])
    assert here.delete(f"{SESSIONS}{other['id']}/").status_code == 204
    assert not is_in(there)
    assert there.get(ME).status_code == 401
    assert is_in(here)
    entry = AuditEntry.objects.get(action="end session")
    assert (entry.object_label, entry.before["address"]) == ("ann", "127.0.0.1")


def test_the_socket_of_an_ended_session_is_refused_at_its_next_check(ann):
    session = make_session(ann)
    assert authorise_session(session.session_key, ()) == []
    session.end()
    with pytest.raises(NotAuthenticated):
        authorise_session(session.session_key, ())


def test_all_others_end_together(ann):
    here, there = sign_in(), sign_in()
    make_session(ann)
    answer = here.post("/profile/sessions/end-others/", follow=True)
    assert "2 sessions have ended." in answer.content.decode()
    assert not is_in(there)
    assert is_in(here)
    assert len(AuditEntry.objects.get(action="end sessions").before["sessions"]) == 2


def test_ending_the_own_session_on_the_page_signs_out(ann):
    here = sign_in()
    row = UserSession.objects.get()
    answer = here.post(f"/profile/sessions/{row.id}/end/")
    assert answer.headers["Location"] == "/accounts/login/"
    assert not is_in(here)
    assert not Session.objects.filter(session_key=row.session_key).exists()


def test_a_session_of_somebody_else_does_not_exist(ann):
    others = make_session(make_user("bea", "admin"))
    here = sign_in()
    assert here.delete(f"{SESSIONS}{others.id}/").status_code == 404
    assert here.post(f"/profile/sessions/{others.id}/end/").status_code == 404
    assert UserSession.objects.filter(pk=others.pk).exists()


def test_an_administrator_ends_no_session_of_others_here(ann):
    others = make_session(ann)
    boss = Browser()
    boss.force_login(make_user("root", "admin"))
    assert boss.delete(f"{SESSIONS}{others.id}/").status_code == 404


@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_api_token_sees_and_ends_no_session(ann, method):
    make_session(ann)
    secret = make_token(ann, "admin")
    assert getattr(Browser(), method)(SESSIONS, **bearer(secret)).status_code == 403
    assert UserSession.objects.exists()


def test_without_activity_a_session_ends_after_half_an_hour(ann, clock):
    here = sign_in()
    clock.shift(30 * 60)
    assert is_in(here)
    clock.shift(30 * 60 + 1)
    assert not is_in(here)


def test_page_views_keep_a_session_alive_for_twelve_hours_and_no_longer(ann, clock):
    here = sign_in()
    for _ in range(36):
        clock.shift(20 * 60)
        assert is_in(here)
    clock.shift(1)
    assert not is_in(here)


def test_the_idle_time_is_a_setting(ann, clock):
    Setting.objects.create(name="session_idle_minutes", value=2, changed_at=read_now())
    here = sign_in()
    clock.shift(121)
    assert not is_in(here)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"hx-request": "true"}),
        ("/overview/trend.json", {}),
        ("/api/v1/clients/", {}),
        ("/api/v1/clients/", {"accept": "application/json"}),
        ("/", {"hx-request": "true", **PAGE}),
    ],
)
def test_what_a_page_fetches_by_itself_keeps_nothing_alive(ann, clock, path, headers):
    here = sign_in()
    for _ in range(3):
        clock.shift(10 * 60)
        assert here.get(path, headers=headers).status_code == 200
    clock.shift(1)
    assert here.get(path, headers=headers).status_code in {200, 302, 401}
    assert not is_in(here)


@pytest.mark.parametrize(
    ("method", "headers"),
    [("get", PAGE), ("get", {"hx-request": "true", "x-user-active": "1"}), ("post", {})],
)
def test_what_a_person_does_keeps_it_alive(ann, clock, method, headers):
    here = sign_in()
    for _ in range(3):
        clock.shift(25 * 60)
        path = "/preferences/theme/" if method == "post" else "/"
        assert getattr(here, method)(path, {"theme": "dark"}, headers=headers).status_code < 400
    assert is_in(here)


def test_the_socket_of_an_idle_session_is_refused(ann, clock):
    session = make_session(ann)
    clock.shift(30 * 60 + 1)
    with pytest.raises(NotAuthenticated):
        authorise_session(session.session_key, ())


def test_checking_the_socket_keeps_nothing_alive(ann, clock):
    session = make_session(ann)
    for _ in range(29):
        clock.shift(60)
        assert authorise_session(session.session_key, ()) == []
    clock.shift(61)
    with pytest.raises(NotAuthenticated):
        authorise_session(session.session_key, ())


def test_the_last_activity_is_written_at_most_once_a_minute(ann, clock):
    here = sign_in()
    first = UserSession.objects.get().last_seen_at
    clock.shift(60)
    is_in(here)
    assert UserSession.objects.get().last_seen_at == first
    clock.shift(1)
    is_in(here, REMOTE_ADDR="192.0.2.9")
    row = UserSession.objects.get()
    assert (row.last_seen_at > first, row.ip) == (True, "192.0.2.9")


def test_what_is_over_is_not_listed(ann, clock):
    make_session(ann)
    clock.shift(31 * 60 + 1)
    here = sign_in()
    assert len(here.get(SESSIONS).json()["results"]) == 1


def test_changed_rights_count_at_once(ann):
    here = sign_in()
    assert here.get("/api/v1/users/").status_code == 403
    ann.roles.update(name="admin")
    assert here.get("/api/v1/users/").status_code == 200
    ann.roles.all().delete()
    assert here.get(ME).status_code == 403


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/18 Safari/605", "Safari on macOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("x" * 500, "x" * 40),
    ],
)
def test_browsers_are_named_in_words(user_agent, words):
    assert describe_browser(user_agent) == words


def test_sessions_that_ended_long_ago_are_forgotten_and_open_ones_stay(client):
    client.force_login(make_user("ann", "viewer"))
    old = Session.objects.create(
        session_key="o" * 32, session_data="", expire_date=read_now() - timedelta(days=1)
    )
    forget_expired()
    assert not Session.objects.filter(pk=old.pk).exists()
    assert client.get("/").status_code == 200
