"""Lock-out by user and address together, at every door."""

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client as Browser

from apps.accounts.models import AuditEntry
from apps.accounts.services.lockout import fold_username, measure_wait, read_wait_seconds
from apps.core.clock import read_now
from tests.factories.accounts import PASSWORD, make_user

pytestmark = pytest.mark.django_db

LOGIN, JWT = "/accounts/login/", "/api/v1/jwt/"
FREE = 5
HOME, OTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def ann():
    return make_user("ann", "viewer")


@pytest.fixture
def clock():
    with time_machine.travel(read_now(), tick=False) as traveller:
        yield traveller


def sign_in(password, *, username="ann", address=HOME, browser=None):
    form = {"login": username, "password": password}
    return (browser or Browser()).post(LOGIN, form, REMOTE_ADDR=address)


def ask_jwt(password, *, username="ann", address=HOME):
    body = {"username": username, "password": password}
    return Browser().post(JWT, body, content_type="application/json", REMOTE_ADDR=address)


def fail(times, **options):
    return [sign_in("wrong", **options).status_code for _ in range(times)]


def test_the_fifth_failure_locks_the_page_with_429_and_when_to_come_back(ann, clock):
    assert fail(FREE - 1) == [200] * 4
    answer = sign_in("wrong")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert "Try again in 60 seconds" in answer.content.decode()


def test_the_right_password_is_refused_while_locked_and_taken_from_another_address(ann, clock):
    fail(FREE)
    assert sign_in(PASSWORD).status_code == 429
    assert sign_in(PASSWORD, address=OTHER).status_code == 302


def test_another_user_gets_in_from_the_same_address(ann, clock):
    make_user("bea", "viewer")
    fail(FREE)
    assert sign_in(PASSWORD, username="bea").status_code == 302


def test_the_wait_grows_to_a_quarter_of_an_hour_and_is_never_longer(ann, clock):
    fail(FREE - 1)
    waits = []
    for _ in range(6):
        waits.append(int(sign_in("wrong").headers["Retry-After"]))
        clock.shift(waits[-1])
    assert waits == [60, 120, 240, 480, 900, 900]
    assert sign_in(PASSWORD).status_code == 302


def test_trying_while_locked_makes_the_wait_no_longer(ann, clock):
    fail(FREE)
    clock.shift(30)
    assert sign_in("wrong").headers["Retry-After"] == "30"
    clock.shift(30)
    assert sign_in(PASSWORD).status_code == 302


def test_getting_in_forgets_the_failures(ann, clock):
    fail(FREE - 1)
    assert sign_in(PASSWORD).status_code == 302
    assert fail(FREE - 1) == [200] * 4


def test_an_hour_without_failures_forgets_them(ann, clock):
    fail(FREE - 1)
    clock.shift(3601)
    assert fail(FREE - 1) == [200] * 4


@pytest.mark.parametrize("username", ["ANN", " ann ", "Ann", "\uff41nn"])
def test_other_spellings_of_a_name_count_together(ann, clock, username):
    fail(FREE - 1)
    assert sign_in("wrong", username=username).status_code == 429


def test_other_programs_of_the_same_address_count_together(ann, clock):
    fail(FREE - 1)
    browser = Browser(headers={"user-agent": "another"})
    assert sign_in("wrong", browser=browser).status_code == 429


def test_who_does_not_exist_is_locked_out_alike(ann, clock):
    answers = {
        name: [sign_in("wrong", username=name) for _ in range(FREE)] for name in ("ann", "nobody")
    }
    codes = {name: [answer.status_code for answer in rows] for name, rows in answers.items()}
    assert codes["ann"] == codes["nobody"] == [200] * 4 + [429]


def test_a_password_is_hashed_as_often_for_who_does_not_exist(ann, clock, monkeypatch):
    counts = []
    from django.contrib.auth.hashers import MD5PasswordHasher

    encode = MD5PasswordHasher.encode

    def count(hasher, password, salt):
        counts.append(password)
        return encode(hasher, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    sign_in("wrong")
    for_ann = len(counts)
    sign_in("wrong", username="nobody")
    assert for_ann > 0
    assert len(counts) == 2 * for_ann


def test_page_and_api_share_one_lock(ann, clock):
    fail(3)
    assert [ask_jwt("wrong").status_code for _ in range(2)] == [401, 429]
    assert sign_in(PASSWORD).status_code == 429
    answer = ask_jwt(PASSWORD)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert answer.json()["code"] == "locked_out"


def test_the_password_of_the_profile_is_limited_as_well(ann, clock, client):
    client.force_login(ann)
    body = {"current_password": "wrong", "new_password": "four other words entirely"}
    path = "/api/v1/users/me/password/"
    answers = [client.post(path, body, content_type="application/json") for _ in range(FREE + 1)]
    assert [answer.status_code for answer in answers] == [400] * 4 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "60"


def test_a_lock_out_is_audited_once_without_the_password(ann, clock):
    fail(FREE + 3)
    entry = AuditEntry.objects.get(action="lock out")
    assert entry.object_label == "ann"
    assert entry.after == {
        "username": "ann", "address": HOME, "failures": FREE, "wait_seconds": 60,
    }  # fmt: skip
    assert not AuditEntry.objects.filter(after__icontains="wrong").exists()
    attempt = AccessAttempt.objects.get()
    assert attempt.post_data == ""


def test_an_administrator_lifts_a_lock_in_the_admin(ann, clock):
    fail(FREE)
    browser = Browser()
    browser.force_login(make_user("root", "admin", is_staff=True))
    attempt = AccessAttempt.objects.get()
    page = browser.get("/admin/axes/accessattempt/").content.decode()
    assert HOME in page
    browser.post(f"/admin/axes/accessattempt/{attempt.pk}/delete/", {"post": "yes"})
    assert sign_in(PASSWORD).status_code == 302
    assert AuditEntry.objects.filter(action="delete", object_type="accessattempt").exists()


def test_a_forged_header_does_not_change_the_address(ann, clock):
    for number in range(FREE):
        browser = Browser(headers={"x-forwarded-for": f"198.51.100.{number}"})
        answer = sign_in("wrong", browser=browser)
    assert answer.status_code == 429


def test_behind_a_trusted_proxy_each_client_has_a_lock_of_its_own(ann, clock, settings):
    settings.SWARM_TRUSTED_PROXIES = ("192.0.2.0/24",)
    near, far = (Browser(headers={"x-forwarded-for": f"198.51.100.{n}"}) for n in (1, 2))
    assert fail(FREE, browser=near)[-1] == 429
    assert sign_in(PASSWORD, browser=far).status_code == 302
    assert read_wait_seconds(username="ann", address="198.51.100.1") == 60


@pytest.mark.parametrize("failures", range(30))
def test_the_wait_never_falls_with_more_failures(failures):
    assert measure_wait(failures) <= measure_wait(failures + 1)


@pytest.mark.parametrize("text", ["", "\x00", "a" * 1000, "İ", "ß"])
def test_any_name_that_is_typed_can_be_counted(clock, text):
    assert len(fold_username(text)) <= 150
    assert ask_jwt("wrong", username=text[:150] or " ").status_code in {400, 401}
