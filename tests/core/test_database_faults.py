"""A database that is away or full, at every door: come back later, and nothing of it to be read."""

from contextlib import contextmanager

import pytest
from django.db import InterfaceError, OperationalError, connection

from apps.core.http import ErrorMiddleware, handle_exception
from tests.factories import wire
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import agent, make_client, make_key

SECRET = "connection to server at 192.0.2.99 failed"
FAULTS = [OperationalError(SECRET), InterfaceError(SECRET)]

pytestmark = pytest.mark.django_db


@pytest.fixture
def root():
    return make_user("root", "admin", is_staff=True)


@contextmanager
def database_that(error, *, after=0):
    """Every statement fails with the error, but for the first few."""
    left = iter(range(after))

    def fail(execute, *arguments):
        if next(left, None) is None:
            raise error
        return execute(*arguments)

    with connection.execute_wrapper(fail):
        yield


def check_answer(answer, status=503):
    assert answer.status_code == status, answer.content
    assert int(answer.headers["Retry-After"]) > 0
    assert SECRET not in answer.content.decode()


def check_page(answer):
    check_answer(answer)
    assert '<p class="error-status">503</p>' in answer.content.decode()


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("path", ["/api/v1/clients/", "/api/v1/tests/", "/api/v1/runs/"])
def test_programs_are_told_to_come_back(root, client, path, error):
    headers = bearer(make_token(root, "read"))
    assert client.get(path, **headers).status_code == 200
    with database_that(error):
        answer = client.get(path, **headers)
    check_answer(answer)
    assert answer.json()["code"] == "database_unavailable"


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("path", ["/", "/tests/", "/clients/", "/admin/"])
@pytest.mark.parametrize("is_htmx", [False, True])
def test_people_are_told_to_come_back(root, client, path, is_htmx, error):
    client.force_login(root)
    client.raise_request_exception = False
    headers = {"hx-request": "true"} if is_htmx else {}
    assert client.get(path, headers=headers).status_code == 200
    with database_that(error):
        check_page(client.get(path, headers=headers))


@pytest.mark.parametrize("error", FAULTS)
def test_who_signs_in_is_told_to_come_back(root, client, error):
    client.raise_request_exception = False
    assert client.get("/accounts/login/").status_code == 200
    with database_that(error):
        check_page(client.get("/accounts/login/"))


@pytest.mark.parametrize("error", FAULTS)
def test_a_program_that_comes_with_a_session_is_told_to_come_back(root, client, error):
    client.force_login(root)
    client.raise_request_exception = False
    with database_that(error):
        answer = client.get("/api/v1/clients/")
    check_answer(answer)
    assert answer.json()["code"] == "database_unavailable"


def test_a_page_that_fails_half_way_is_told_apart_from_a_fault_of_the_program(root, client):
    """The first statements work, the later ones do not."""
    client.force_login(root)
    client.raise_request_exception = False
    with database_that(OperationalError(SECRET), after=3):
        check_page(client.get("/clients/"))
    with database_that(RuntimeError(SECRET), after=3):
        assert client.get("/clients/").status_code == 500


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("is_key_remembered", [True, False])
def test_agents_are_told_to_come_back(client, error, is_key_remembered):
    key = make_key(make_client())
    if is_key_remembered:
        assert client.get("/api/v1/agent/config", **agent(key)).status_code == 200
    body = wire.batch(wire.frame())
    with database_that(error):
        check_answer(wire.post(client, "records", body, key))
        check_answer(wire.post(client, "leases", {"horizon_seconds": 900}, key))
    assert len(wire.post(client, "records", body, key).json()["stored"]) == 1


def test_a_full_disk_is_told_apart_at_every_door(client, rf):
    full = OperationalError("database or disk is full")
    answer = handle_exception(full, {})
    assert (answer.status_code, answer.data["code"]) == (507, "storage_full")
    for path in ("/", "/api/v1/x/"):
        check_answer(
            ErrorMiddleware(lambda _request: None).process_exception(rf.get(path), full), 507
        )
