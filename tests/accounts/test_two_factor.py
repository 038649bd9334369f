"""The second factor: set up, used, lost, removed, required."""

import re

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client as Browser

from apps.accounts.models import AuditEntry
from apps.configuration.models import Setting
from apps.core.clock import read_now
from apps.core.errors import Refused
from apps.dashboard.consumers import authorise_session
from tests.factories.accounts import PASSWORD, bearer, make_session, make_token, make_user
from tests.factories.second_factor import compute_code, equip

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

LOGIN, STEP = "/accounts/login/", "/accounts/2fa/authenticate/"
SET_UP, SECURITY = "/profile/security/authenticator/", "/profile/security/"
REMOVE, RENEW = f"{SET_UP}remove/", f"{SECURITY}recovery-codes/"
ME = "/api/v1/users/me/"
CODE_PATTERN = re.compile(r"<code>([A-Z2-9]{5}-[A-Z2-9]{5})</code>")


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(read_now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann():
    return make_user("ann", "viewer")


@pytest.fixture
def page(client, ann):
    client.force_login(ann)
    return client


def begin(browser=None, address="192.0.2.1"):
    """A browser after the password."""
    browser = browser or Browser()
    form = {"login": "ann", "password": PASSWORD}
    answer = browser.post(LOGIN, form, REMOTE_ADDR=address)
    assert answer.headers["Location"] == STEP
    return browser


def is_signed_in(browser):
    return browser.get(ME).status_code == 200


def read_secret(page):
    text = page.get(SET_UP).content.decode()
    return re.search(r'class="secret">([A-Z2-7 ]+)<', text)[1].replace(" ", "")


def require_of_administrators():
    Setting.objects.create(name="admin_two_factor_required", value=True, changed_at=read_now())


def test_setting_up_shows_a_code_and_a_key_and_gives_recovery_codes_once(page, ann):
    text = page.get(SET_UP).content.decode()
    assert '<svg class="qr"' in text
    assert text.count("M") > 100
    answer = page.post(SET_UP, {"code": compute_code(read_secret(page))})
    codes = CODE_PATTERN.findall(answer.content.decode())
    assert len(set(codes)) == 10
    assert "streamswarm-recovery-codes.txt" in answer.content.decode()
    assert codes[0] not in page.get(SECURITY).content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert AuditEntry.objects.filter(action="turn on second factor", actor=ann).exists()


def test_the_database_holds_neither_the_secret_nor_a_recovery_code(page):
    secret = read_secret(page)
    text = page.post(SET_UP, {"code": compute_code(secret)}).content.decode()
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert not [code for code in CODE_PATTERN.findall(text) if code in stored]


def test_a_wrong_code_sets_nothing_up_and_keeps_the_key(page):
    secret = read_secret(page)
    answer = page.post(SET_UP, {"code": "000000" if compute_code(secret) != "000000" else "111111"})
    assert answer.status_code == 422
    assert "neither the code of right now" in answer.content.decode()
    assert not Authenticator.objects.exists()
    assert read_secret(page) == secret


def test_who_has_one_is_not_asked_to_set_up_another(page, ann, clock):
    equip(ann, clock)
    assert page.get(SET_UP).headers["Location"] == SECURITY


def test_the_password_alone_does_not_sign_in(ann, clock):
    secret, _codes = equip(ann, clock)
    browser = begin()
    assert not is_signed_in(browser)
    assert "six digits" in browser.get(STEP).content.decode()
    assert browser.post(STEP, {"code": compute_code(secret)}).status_code == 302
    assert is_signed_in(browser)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_that_is_a_step_off_is_forgiven(ann, clock, steps):
    secret, _codes = equip(ann, clock)
    browser = begin()
    browser.post(STEP, {"code": compute_code(secret, steps)})
    assert is_signed_in(browser)


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_of_another_time_is_refused(ann, clock, steps):
    secret, _codes = equip(ann, clock)
    browser = begin()
    browser.post(STEP, {"code": compute_code(secret, steps)})
    assert not is_signed_in(browser)


def test_a_code_is_good_once_even_after_a_restart(ann, clock):
    secret, _codes = equip(ann, clock)
    begin().post(STEP, {"code": compute_code(secret)})
    cache.clear()
    again = begin()
    answer = again.post(STEP, {"code": compute_code(secret)})
    assert "neither the code of right now" in answer.content.decode()
    earlier = begin()
    earlier.post(STEP, {"code": compute_code(secret, -1)})
    assert not is_signed_in(again)
    assert not is_signed_in(earlier)


def test_the_code_of_the_set_up_is_used_up(page, ann):
    secret = read_secret(page)
    page.post(SET_UP, {"code": compute_code(secret)})
    browser = begin()
    browser.post(STEP, {"code": compute_code(secret)})
    assert not is_signed_in(browser)


def test_a_recovery_code_lets_in_once(ann, clock):
    _secret, codes = equip(ann, clock)
    first = begin()
    assert "Recovery code" in first.get(f"{STEP}?with=recovery").content.decode()
    first.post(STEP, {"code": codes[3].lower().replace("-", " ")})
    assert is_signed_in(first)
    assert "9 codes are left" in first.get(SECURITY).content.decode()
    second = begin()
    second.post(STEP, {"code": codes[3]})
    assert not is_signed_in(second)
    assert AuditEntry.objects.get(action="use recovery code").after == {"codes_left": 9}


@pytest.mark.parametrize("code", ["", "x", "12345", "\x00", "\u0661\u0662\u0663", "A" * 5000])
def test_rubbish_is_refused_politely(ann, clock, code):
    equip(ann, clock)
    browser = begin()
    assert browser.post(STEP, {"code": code}).status_code == 200
    assert not is_signed_in(browser)


def test_the_second_step_is_limited_like_the_first(ann, clock):
    secret, _codes = equip(ann, clock)
    browser = begin()
    answers = [
        browser.post(STEP, {"code": "x"}, REMOTE_ADDR="192.0.2.1").status_code for _ in range(5)
    ]
    assert answers == [200] * 4 + [429]
    late = browser.post(STEP, {"code": compute_code(secret)}, REMOTE_ADDR="192.0.2.1")
    assert late.status_code == 429
    assert late.headers["Retry-After"] == "60"
    elsewhere = begin(address="192.0.2.2")
    elsewhere.post(STEP, {"code": compute_code(secret)}, REMOTE_ADDR="192.0.2.2")
    assert is_signed_in(elsewhere)


def test_the_right_password_does_not_forget_wrong_codes(ann, clock):
    equip(ann, clock)
    for _ in range(4):
        begin().post(STEP, {"code": "x"}, REMOTE_ADDR="192.0.2.1")
    answer = begin().post(STEP, {"code": "x"}, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == 429


def test_new_recovery_codes_replace_the_old_and_need_the_password(page, ann, clock):
    _secret, codes = equip(ann, clock)
    assert page.post(RENEW, {"current_password": "wrong"}).status_code == 422
    answer = page.post(RENEW, {"current_password": PASSWORD})
    fresh = CODE_PATTERN.findall(answer.content.decode())
    assert len(fresh) == 10
    old, new = begin(), begin()
    old.post(STEP, {"code": codes[0]})
    new.post(STEP, {"code": fresh[0]})
    assert (is_signed_in(old), is_signed_in(new)) == (False, True)


def test_removing_it_needs_the_password_and_takes_the_codes_along(page, ann, clock):
    equip(ann, clock)
    answer = page.post(REMOVE, {"current_password": "wrong"})
    assert answer.status_code == 422
    assert "Is not your password" in answer.content.decode()
    assert Authenticator.objects.count() == 2
    assert page.post(REMOVE, {"current_password": PASSWORD}).status_code == 302
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.filter(action="turn off second factor").exists()


@pytest.mark.parametrize("path", [REMOVE, RENEW])
def test_without_one_there_is_nothing_to_remove_or_renew(page, path):
    assert page.post(path, {"current_password": PASSWORD}).status_code == 409


@pytest.fixture
def admin():
    return make_user("root", "admin", is_staff=True)


@pytest.fixture
def boss(client, admin):
    client.force_login(admin)
    require_of_administrators()
    return client


@pytest.mark.parametrize("path", ["/", "/clients/", "/profile/", "/admin/", "/profile/tokens/"])
def test_an_administrator_without_one_is_led_to_set_it_up(boss, path):
    assert boss.get(path).headers["Location"] == SET_UP
    assert "need a second factor" in boss.get(SET_UP).content.decode()


def test_a_part_of_a_page_leads_there_too(boss):
    assert boss.get("/", headers={"hx-request": "true"}).headers["HX-Redirect"] == SET_UP


def test_the_api_refuses_the_session_of_an_administrator_without_one(boss, admin):
    answer = boss.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    with pytest.raises(Refused):
        authorise_session(make_session(admin).session_key, ("overview",))


def test_api_tokens_made_earlier_go_on(admin):
    secret = make_token(admin, "admin")
    require_of_administrators()
    assert Browser().get(ME, **bearer(secret)).status_code == 200


def test_a_header_of_another_kind_does_not_open_the_session(boss):
    assert boss.get(ME, headers={"authorization": "Basic eDp5"}).status_code == 403
    assert boss.get("/clients/", headers={"authorization": "Bearer x"}).status_code == 302


def test_setting_it_up_opens_every_page(boss):
    boss.post(SET_UP, {"code": compute_code(read_secret(boss))})
    assert boss.get("/").status_code == 200
    assert boss.get(ME).status_code == 200


def test_signing_out_stays_possible(boss):
    assert boss.post("/accounts/logout/").headers["Location"] == "/"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_are_not_asked(client, role):
    require_of_administrators()
    client.force_login(make_user("oscar", role))
    assert client.get("/").status_code == 200


def test_an_administrator_of_one_site_is_asked_as_well(client):
    require_of_administrators()
    client.force_login(make_user("local", "admin", site="vienna"))
    assert client.get("/").headers["Location"] == SET_UP


def test_nobody_is_asked_unless_it_is_switched_on(client, admin):
    client.force_login(admin)
    assert client.get("/").status_code == 200
