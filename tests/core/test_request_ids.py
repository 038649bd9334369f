"""The id of a request: the browser's or a new one, in the answer, the error and the log."""

import pytest
import structlog
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from apps.core.request_ids import ID_PATTERN
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db
GIVEN = "0123456789abcdef0123456789abcdef"


def ask(client, path, request_id):
    return client.get(path, headers={"x-request-id": request_id})


def test_the_browsers_id_comes_back(client):
    assert ask(client, "/healthz", GIVEN)["X-Request-ID"] == GIVEN


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "a b c d e f", "abc\x1b[2Kdefgh", "ä" * 20]
)
def test_an_id_that_could_harm_a_log_is_replaced(client, given):
    answered = ask(client, "/healthz", given)["X-Request-ID"]
    assert answered != given
    assert ID_PATTERN.fullmatch(answered)


def test_each_request_without_an_id_gets_its_own(client):
    first, second = (client.get("/healthz")["X-Request-ID"] for _ in range(2))
    assert first != second


@given(text=st.text(max_size=80))
def test_what_is_kept_is_always_one_plain_word(text):
    kept = ID_PATTERN.fullmatch(text)
    assert kept is None or (8 <= len(text) <= 64 and text.replace("-", "_").isascii())


def test_an_error_of_the_api_says_the_id(client):
    answer = ask(client, "/api/v1/clients/", GIVEN)
    assert answer.status_code == 401
    assert answer.json()["request_id"] == GIVEN


def test_an_error_page_shows_the_id(client):
    client.force_login(make_user("vera", "viewer"))
    for path in ("/settings/", "/no-such-page/"):
        answer = ask(client, path, GIVEN)
        assert answer.status_code in {403, 404}
        assert GIVEN in answer.content.decode()


def test_a_crash_page_shows_the_id(client, monkeypatch):
    client.raise_request_exception = False
    client.force_login(make_user("vera", "viewer"))
    monkeypatch.setattr("apps.dashboard.views.runs.render", lambda *_a, **_k: 1 / 0)
    with override_settings(DEBUG=False):
        answer = ask(client, "/runs/", GIVEN)
    assert answer.status_code == 500
    assert GIVEN in answer.content.decode()


def test_lines_logged_meanwhile_carry_the_id(client, monkeypatch):
    seen = []

    def note(*_args, **_kwargs):
        seen.append(structlog.contextvars.get_contextvars().get("request_id"))
        raise PermissionError

    client.raise_request_exception = False
    client.force_login(make_user("vera", "viewer"))
    monkeypatch.setattr("apps.dashboard.views.runs.render", note)
    ask(client, "/runs/", GIVEN)
    assert seen == [GIVEN]
