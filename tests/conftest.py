import os
from pathlib import Path

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.db.backends.signals import connection_created
from hypothesis import settings as hypothesis_settings

from apps.core.storage_state import forget_storage_fault
from apps.ingest.known_keys import KNOWN_KEYS
from apps.jobs.services import keeping
from tests.plugin import STASHED_CLUSTER
from tests.servers.postgresql import PREPARED, PostgresqlMissingError, start_cluster
from tests.servers.prepared import load_sqlite
from tests.servers.redis import run_redis
from tests.servers.stack import run_stack

hypothesis_settings.register_profile("default", deadline=None, max_examples=50)
hypothesis_settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis_settings.register_profile("long", deadline=None, max_examples=5_000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def cheap_passwords(settings):
    """The real hasher takes a third of a second for each password, by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def empty_cache():
    """What the process remembers of layouts, sources and keys is of another test's database."""
    cache.clear()
    KNOWN_KEYS.forget()


@pytest.fixture(autouse=True)
def room_on_the_disk():
    """Another test may have met a full disk."""
    forget_storage_fault()


@pytest.fixture(autouse=True)
def claims_within_a_transaction(request, monkeypatch):
    """No other session sees what a test has not committed, so none could renew a claim in it.

    Without this an attempt that takes longer than a second would count as lost.
    """
    marker = request.node.get_closest_marker("django_db")
    is_marked = marker is not None and marker.kwargs.get("transaction")
    if not is_marked and not {"transactional_db", "live_server"} & set(request.fixturenames):
        monkeypatch.setattr(keeping, "renew_claim", lambda *_claim, **_told: True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request, django_db_modify_db_settings):
    """A process of tests starts with a copy of a database that was migrated once."""
    if STASHED_CLUSTER in request.config.stash:
        connection.settings_dict["TEST"]["TEMPLATE"] = PREPARED
    else:
        connection_created.connect(fill_database)


def fill_database(connection, **_signal):
    """The database of the tests, empty when it is opened first, gets its tables at once."""
    if connection.vendor == "sqlite":
        connection_created.disconnect(fill_database)
        load_sqlite(connection.connection)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """What beat wakes is in the database that was copied, and in none that a test expects."""
    with django_db_blocker.unblock():
        for name in ("PeriodicTask", "IntervalSchedule", "PeriodicTasks"):
            model = apps.get_model("django_celery_beat", name)
            model._base_manager.all().delete()


@pytest.fixture(scope="session")
def redis_server():
    """The URL of the run's own Redis, where the settings of this process look for it."""
    with run_redis(Path(os.environ["SWARM_VAR_DIR"])) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_server(request):
    """The run's own PostgreSQL cluster; without server programs CI fails and others skip."""
    cluster = request.config.stash.get(STASHED_CLUSTER, None)
    if cluster is not None:
        yield cluster
        return
    try:
        cluster = start_cluster(is_durable=False)
    except PostgresqlMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def server():
    """A real server on SQLite: Redis, web, worker and beat."""
    with run_stack("sqlite") as stack:
        yield stack


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def any_server(request):
    """A real server on each database in turn."""
    is_postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    with run_stack(request.param, postgresql=cluster) as stack:
        yield stack
