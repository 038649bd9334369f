"""API tokens: shown once, kept as a digest, limited by scope and time."""

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from apps.accounts.models import AuditEntry, Token
from apps.accounts.services import create_token, revoke_token
from apps.core.clock import read_now
from apps.core.errors import Invalid
from tests.factories.accounts import bearer, make_token, make_user

pytestmark = pytest.mark.django_db

ME = "/api/v1/users/me/"


def test_the_database_holds_no_token():
    secret = make_token(make_user("ann", "viewer"))
    (row,) = Token.objects.values()
    assert secret not in str(row)
    assert len(row["digest"]) == 128
    assert secret.startswith(row["token_key"])
    (entry,) = AuditEntry.objects.values()
    assert secret not in str(entry)
    assert row["digest"] not in str(entry)


def test_a_token_stands_for_its_user(client):
    secret = make_token(make_user("ann", "viewer"))
    answer = client.get(ME, **bearer(secret))
    assert answer.status_code == 200
    assert answer.json()["username"] == "ann"


def test_an_expired_token_is_refused(client):
    secret = make_token(make_user("ann", "viewer"), life=timedelta(days=1))
    with time_machine.travel(read_now() + timedelta(days=1, seconds=1)):
        assert client.get(ME, **bearer(secret)).status_code == 401


def test_a_revoked_token_is_refused(client):
    secret = make_token(make_user("ann", "viewer"))
    revoke_token(token=Token.objects.get())
    assert client.get(ME, **bearer(secret)).status_code == 401
    assert AuditEntry.objects.filter(action="revoke").exists()


def test_a_token_of_a_user_who_left_is_refused(client):
    user = make_user("ann", "viewer")
    secret = make_token(user)
    user.is_active = False
    user.save()
    assert client.get(ME, **bearer(secret)).status_code == 401


@pytest.mark.parametrize(
    "text",
    ["", "x", "x y", "ä", "\x00", "zz" * 32, "00" * 32, "' OR 1=1 --", "\udcff", "a" * 10_000],
)
def test_what_is_no_token_is_refused_politely(client, text):
    make_token(make_user("ann", "viewer"))
    header = f"Bearer {text}".encode("utf-8", "surrogateescape").decode("latin-1")
    answer = client.get(ME, headers={"authorization": header})
    assert answer.status_code == 401
    assert set(answer.json()) >= {"code", "detail", "data"}


def test_the_last_use_is_noted_at_most_once_a_minute(client):
    secret = make_token(make_user("ann", "viewer"))
    with time_machine.travel(read_now(), tick=False) as traveller:
        client.get(ME, **bearer(secret))
        first = Token.objects.get().last_used_at
        traveller.shift(30)
        client.get(ME, **bearer(secret))
        assert Token.objects.get().last_used_at == first
        traveller.shift(31)
        client.get(ME, **bearer(secret))
        assert Token.objects.get().last_used_at > first


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "everything"]}, "scopes"),
        ({"life": timedelta(0)}, "days"),
        ({"life": timedelta(days=731)}, "days"),
    ],
)
def test_a_wrong_token_names_its_field(change, field):
    user = make_user("ann", "viewer")
    with pytest.raises(Invalid) as caught:
        create_token(user=user, **{"name": "x", "scopes": ["read"], **change})
    assert [error.field for error in caught.value.errors] == [field]
    assert not Token.objects.exists()


def run_command(*arguments):
    output = StringIO()
    call_command("token", "create", *arguments, stdout=output)
    return output.getvalue().strip()


def test_the_command_prints_a_token_that_works(client):
    make_user("ann", "operator")
    secret = run_command("--user", "ann", "--name", "script", "--scope", "read", "--scope", "write")
    assert client.get(ME, **bearer(secret)).status_code == 200
    assert Token.objects.get().scopes == ["read", "write"]
    assert AuditEntry.objects.get().via == "command"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--user", "nobody", "--name", "x", "--scope", "read"),
        ("--user", "ann", "--name", " ", "--scope", "read"),
        ("--user", "ann", "--name", "x", "--scope", "all"),
        ("--user", "ann", "--name", "x"),
        ("--user", "ann", "--name", "x", "--scope", "read", "--days", "0"),
        ("--user", "ann", "--name", "x", "--scope", "read", "--days", "9999"),
    ],
)
def test_the_command_says_what_is_wrong(arguments):
    make_user("ann", "operator")
    with pytest.raises(CommandError, match=r"\w+"):
        run_command(*arguments)
    assert not Token.objects.exists()
