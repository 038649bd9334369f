"""Alive is the process alone; ready is what it needs to serve."""

from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from apps.operations import views


@pytest.fixture(autouse=True)
def fresh_schema_check(monkeypatch):
    monkeypatch.setattr(views, "SCHEMA_CHECK", views.SchemaCheck())


@contextmanager
def broken_cursor():
    raise OperationalError("password authentication failed for user swarm")
    yield


def test_being_alive_needs_no_database(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


@pytest.mark.django_db
@pytest.mark.redis
def test_with_everything_there_the_server_is_ready(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "redis": "ok", "storage": "ok"},
    }


@pytest.mark.django_db
def test_without_redis_the_server_is_ready_but_degraded(client, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["checks"]["redis"]) == (
        "degraded",
        "unavailable",
    )


@pytest.mark.django_db
def test_without_its_database_the_server_is_not_ready_and_tells_no_secrets(
    client, settings, tmp_path, monkeypatch
):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    monkeypatch.setattr(connection, "cursor", broken_cursor)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert b"password" not in answer.content


@pytest.mark.django_db
def test_before_its_migrations_the_server_is_not_ready(client, settings, tmp_path, monkeypatch):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    with monkeypatch.context() as patch:
        plan = "django.db.migrations.executor.MigrationExecutor.migration_plan"
        patch.setattr(plan, lambda _executor, _targets: ["a migration"])
        waiting = client.get("/readyz")
    assert waiting.status_code == 503
    assert waiting.json()["checks"]["migrations"] == "pending"
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nothing_is_kept_or_changed_by_asking(client, path):
    assert client.post(path).status_code == 405


def test_an_answer_about_health_is_never_cached(client):
    assert "no-store" in client.get("/healthz")["Cache-Control"]
