"""Without room uploads are refused whole, pages go on, and all recovers by itself."""

import errno

import pytest
from django.db import OperationalError, connection

from apps.core import storage_state
from apps.core.clock import read_now
from apps.core.storage_state import SETTLING, read_storage_fault
from apps.metrics.models import Frame
from tests.factories import wire
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

FULL = [
    OperationalError("database or disk is full"),
    OperationalError("could not extend file: No space left on device"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
]


@pytest.fixture
def key():
    return make_key(make_client())


def fail_writes(error):
    def fail(execute, sql, *arguments):
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            raise error
        return execute(sql, *arguments)

    return connection.execute_wrapper(fail)


def let_settle(monkeypatch):
    monkeypatch.setattr(storage_state, "read_now", lambda: read_now() + SETTLING)


@pytest.mark.parametrize("error", FULL)
def test_an_upload_is_refused_whole_and_taken_once_there_is_room(client, key, monkeypatch, error):
    body = wire.batch(wire.frame())
    with fail_writes(error):
        answer = wire.post(client, "records", body, key)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert read_storage_fault() is not None
    let_settle(monkeypatch)
    assert len(wire.post(client, "records", body, key).json()["stored"]) == 1
    assert read_storage_fault() is None
    assert Frame.objects.count() == 1


def test_below_the_reserve_uploads_are_refused_before_anything_is_written(
    client, key, settings, monkeypatch
):
    settings.IS_SQLITE = True
    monkeypatch.setattr(storage_state, "measure_free_megabytes", lambda _folder: 1.0)
    answer = wire.post(client, "records", wire.batch(wire.frame()), key)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert "1 MB are free" in answer.json()["detail"]
    assert not Frame.objects.exists()


@pytest.mark.parametrize("error", FULL)
def test_people_who_change_something_are_told(client, error):
    root = make_user("root", "admin")
    client.raise_request_exception = False
    client.force_login(root)
    with fail_writes(error):
        page = client.post("/preferences/theme/", {"theme": "dark"})
    assert page.status_code == 507
    assert '<p class="error-status">507</p>' in page.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_program_that_changes_something_is_told(client):
    headers = bearer(make_token(make_user("root", "admin"), "write"))
    with fail_writes(FULL[0]):
        answer = client.post(
            "/api/v1/sites/",
            {"slug": "here", "name": "Here"},
            content_type="application/json",
            **headers,
        )
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")


@pytest.mark.django_db(transaction=True)
def test_pages_and_the_api_go_on_reading(client):
    root = make_user("root", "admin")
    client.force_login(root)
    headers = bearer(make_token(root, "read"))
    with fail_writes(FULL[0]):
        assert client.get("/api/v1/clients/", **headers).status_code == 200
        assert read_storage_fault() is not None
        assert client.get("/clients/", headers={"accept": "text/html"}).status_code == 200
        assert client.get("/api/v1/clients/", **headers).status_code == 200


def test_readiness_says_that_the_disk_is_full(client, redis_server):
    assert client.get("/readyz").json()["checks"]["storage"] == "ok"
    storage_state.note_storage_fault("No room.")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["storage"] == "full"
