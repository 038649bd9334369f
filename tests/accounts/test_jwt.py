"""JSON Web Tokens: signing in by program, going on, ending."""

import base64
import json

import jwt
import pytest
import time_machine
from django.conf import settings as project
from django.test import Client as Browser
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from apps.accounts.models import AuditEntry, Role
from apps.accounts.services import reset_second_factor
from apps.configuration.models import Setting
from apps.core.clock import read_now
from tests.factories.accounts import PASSWORD, bearer, make_user
from tests.factories.second_factor import compute_code, equip

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

JWT, REFRESH, REVOKE = "/api/v1/jwt/", "/api/v1/jwt/refresh/", "/api/v1/jwt/revoke/"
ME = "/api/v1/users/me/"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(read_now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann():
    return make_user("ann", "operator")


def send(path, body):
    return Browser().post(path, body, content_type="application/json")


def sign_in(**extra):
    answer = send(JWT, {"username": "ann", "password": PASSWORD, **extra})
    assert answer.status_code == 200, answer.content
    return answer.json()


def renew(pair):
    return send(REFRESH, {"refresh": pair["refresh"]})


def status(pair):
    return Browser().get(ME, **bearer(pair["access"])).status_code


def test_a_password_buys_ten_minutes_with_all_rights_of_the_roles(ann, clock):
    pair = sign_in()
    assert pair["expires_in"] == 600
    assert Browser().get(ME, **bearer(pair["access"])).json()["permissions"] == ["view", "operate"]
    made = Browser().post(
        "/api/v1/tags/",
        {"slug": "edge", "name": "Edge"},
        content_type="application/json",
        **bearer(pair["access"]),
    )
    assert made.status_code == 201
    clock.shift(601)
    assert status(pair) == 401


def test_what_is_done_is_audited_as_the_users_own_through_the_api(ann):
    pair = sign_in()
    Browser().patch(
        ME, {"theme": "dark"}, content_type="application/json", **bearer(pair["access"])
    )
    entry = AuditEntry.objects.get(action="change")
    assert (entry.actor, entry.via) == (ann, "api")
    assert AuditEntry.objects.get(action="sign in").actor == ann


def test_a_refresh_token_buys_the_next_pair_for_twelve_hours(ann, clock):
    pair = sign_in()
    clock.shift(12 * 3600 - 1)
    after = renew(pair).json()
    assert status(after) == 200
    clock.shift(12 * 3600 + 1)
    assert renew(after).status_code == 401


def test_a_family_ends_twelve_hours_after_its_sign_in(ann, clock):
    pair = sign_in()
    for _ in range(11):
        clock.shift(3600)
        pair = renew(pair).json()
    clock.shift(3599)
    last = renew(pair)
    assert last.status_code == 200
    clock.shift(2)
    assert renew(last.json()).status_code == 401


def test_a_refresh_token_that_does_not_say_when_its_family_began_is_refused(ann):
    payload = sign_in()["refresh"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    del claims["started"]
    text = jwt.encode(claims, project.SIMPLE_JWT["SIGNING_KEY"], algorithm="HS256")
    assert renew({"refresh": text}).status_code == 401


def test_setting_up_a_second_factor_ends_what_was_had_without_it(ann, clock):
    pair = sign_in()
    equip(ann, clock)
    assert renew(pair).status_code == 401


def test_resetting_the_second_factor_ends_what_was_had_with_it(ann, clock):
    _secret, codes = equip(ann, clock)
    pair = sign_in(code=codes[0])
    reset_second_factor(user=ann)
    assert renew(pair).status_code == 401


def test_the_access_token_before_the_last_refresh_lives_out_its_time(ann):
    pair = sign_in()
    renew(pair)
    assert status(pair) == 200


def test_a_refresh_token_used_twice_ends_the_whole_family(ann):
    stolen = sign_in()
    after = renew(stolen).json()
    other = sign_in()
    assert renew(stolen).status_code == 401
    assert renew(after).status_code == 401
    assert status(after) == 401
    assert status(other) == 200
    assert AuditEntry.objects.get(action="revoke").before == {"reason": "refresh token used twice"}


def test_revoking_ends_access_at_once(ann):
    pair, other = sign_in(), sign_in()
    assert send(REVOKE, {"refresh": pair["refresh"]}).status_code == 204
    assert status(pair) == 401
    assert renew(pair).status_code == 401
    assert status(other) == 200


def change_password(pair, _user):
    body = {"current_password": PASSWORD, "new_password": "four other words entirely"}
    path = "/api/v1/users/me/password/"
    answer = Browser().post(path, body, content_type="application/json", **bearer(pair["access"]))
    assert answer.status_code == 204


def deactivate(_pair, user):
    user.is_active = False
    user.save()


def end_sessions(pair, _user):
    assert Browser().delete("/api/v1/sessions/", **bearer(pair["access"])).status_code == 204


def delete(_pair, user):
    user.delete()


@pytest.mark.parametrize("change", [change_password, deactivate, end_sessions, delete])
def test_what_ends_sessions_ends_tokens_at_once(ann, change):
    pair = sign_in()
    change(pair, ann)
    assert status(pair) == 401
    assert renew(pair).status_code == 401


def test_a_change_of_roles_counts_with_the_next_request(ann):
    pair = sign_in()
    path = "/api/v1/enrolment-tokens/"
    assert Browser().get(path, **bearer(pair["access"])).status_code == 200
    Role.objects.update(name="viewer")
    assert Browser().get(path, **bearer(pair["access"])).status_code == 403


def test_a_second_factor_is_asked_for_and_used_up(ann, clock):
    secret, _codes = equip(ann, clock)
    body = {"username": "ann", "password": PASSWORD}
    asked = send(JWT, body)
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_code_required")
    wrong = send(JWT, {**body, "code": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_code")
    code = compute_code(secret)
    assert send(JWT, {**body, "code": code}).status_code == 200
    assert send(JWT, {**body, "code": code}).status_code == 401


def test_a_recovery_code_serves_too(ann, clock):
    _secret, codes = equip(ann, clock)
    assert sign_in(code=codes[0])["access"]


def test_wrong_codes_lock_out(ann, clock):
    equip(ann, clock)
    body = {"username": "ann", "password": PASSWORD, "code": "x"}
    answers = [send(JWT, body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "60"


def test_the_right_password_without_a_code_does_not_forget_wrong_codes(ann, clock):
    equip(ann, clock)
    body = {"username": "ann", "password": PASSWORD}
    for _ in range(4):
        send(JWT, {**body, "code": "x"})
        send(JWT, body)
    assert send(JWT, {**body, "code": "x"}).status_code == 429


def test_who_is_unknown_and_a_wrong_password_are_answered_alike(ann):
    unknown = send(JWT, {"username": "nobody", "password": PASSWORD})
    wrong = send(JWT, {"username": "ann", "password": "wrong"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json()["detail"] == wrong.json()["detail"]


def test_an_administrator_without_the_required_second_factor_is_refused():
    make_user("ann", "admin")
    Setting.objects.create(name="admin_two_factor_required", value=True, changed_at=read_now())
    answer = Browser().get(ME, **bearer(sign_in()["access"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


def test_the_database_holds_no_token(ann):
    pair = sign_in()
    stored = str(list(OutstandingToken.objects.values()))
    assert pair["refresh"] not in stored
    assert pair["refresh"].split(".")[2] not in stored


def test_the_token_tells_nothing_of_the_password(ann):
    payload = sign_in()["access"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    ours = {"user_id", "family", "proof", "started"}
    assert set(claims) == {"token_type", "exp", "iat", "jti", *ours}
    assert ann.password not in str(claims)


def forge(**changes):
    payload = sign_in()["access"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {**claims, **changes}


@pytest.mark.parametrize(
    "key", ["guess-guess-guess-guess-guess-guess", project.SECRET_KEY], ids=["other", "django's"]
)
def test_a_token_of_another_key_is_refused(ann, key):
    assert status({"access": jwt.encode(forge(), key, algorithm="HS256")}) == 401


def test_an_unsigned_token_is_refused(ann):
    assert status({"access": jwt.encode(forge(), "", algorithm="none")}) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": "999999"},
        {"user_id": "x"},
        {"user_id": None},
        {"family": "other"},
        {"family": None},
        {"proof": "0" * 32},
        {"proof": None},
        {"token_type": "refresh"},
        {"exp": 1},
    ],
)
def test_every_claim_is_checked(ann, changes):
    claims = forge(**changes)
    key = project.SIMPLE_JWT["SIGNING_KEY"]
    assert status({"access": jwt.encode(claims, key, algorithm="HS256")}) == 401


@pytest.mark.parametrize("text", ["a.b.c", "..", "a.b.c.d", "a.b", "\u00e4.b.c", ". .", "a" * 9000])
def test_what_is_no_token_is_refused_politely(ann, text):
    header = f"Bearer {text}".encode().decode("latin-1")
    answer = Browser().get(ME, headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert set(answer.json()) >= {"code", "detail", "data"}


@pytest.mark.parametrize("path", [REFRESH, REVOKE])
@pytest.mark.parametrize("token", ["x", "a.b.c", "access"])
def test_only_a_refresh_token_is_taken_for_one(ann, path, token):
    text = sign_in()["access"] if token == "access" else token
    answer = send(path, {"refresh": text})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_refused")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (JWT, {}, "username"),
        (JWT, {"username": "ann"}, "password"),
        (JWT, {"username": "a" * 151, "password": "x"}, "username"),
        (JWT, {"username": "ann", "password": "x" * 257}, "password"),
        (JWT, {"username": "ann", "password": "x", "code": "1" * 33}, "code"),
        (REFRESH, {}, "refresh"),
        (REVOKE, {"refresh": ""}, "refresh"),
    ],
)
def test_a_field_that_is_missing_or_too_long_is_named(path, body, field):
    answer = send(path, body)
    assert answer.status_code == 400
    assert field in {problem["field"] for problem in answer.json()["data"]["errors"]}
