"""The surroundings of a test run, made before Django reads its settings.

`--database=postgresql` runs the tests that use the database on a PostgreSQL cluster of their own;
without it they run on SQLite, except those marked `postgresql`. Every process of the run has its
own var folder. The end of the report says how many tests ran on which database.
"""

import gc
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ["tests.faults.reporting"]

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
DATABASE_PROPERTY = "database"
CLUSTER_FOLDER_NAME = "TESTS_CLUSTER_FOLDER"
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_setup", "live_server"})
STASHED_FOLDER = pytest.StashKey[Path]()
STASHED_CLUSTER = pytest.StashKey[object]()
STASHED_PREPARED = pytest.StashKey[Path | None]()
STASHED_SKIP_REASON = pytest.StashKey[str]()
KEPT_TABLES = frozenset({"django_content_type", "auth_permission"})
# What mostly waits for processes and browsers runs first, beside what computes.
WAITING_FOLDERS = ("faults", "scale", "browser", "flows", "plugins", "operations", "lab")
# Pages read by the same selectors as the API, whose tests run on both databases.
LEFT_OUT_FOLDERS = frozenset({"dashboard"})
LEFT_OUT_MARKERS = ("browser", "any_database")
OUTCOMES = {"passed": "passed", "failed": "failed", "error": "failed", "skipped": "skipped"}


def pytest_addoption(parser):
    group = parser.getgroup("streamswarm")
    group.addoption("--database", choices=["sqlite", "postgresql"], default="sqlite")
    group.addoption("--quick", action="store_true", help="leave out what shows no more than others")
    group.addoption("--tally", type=Path, help="write the numbers of the closing line to this file")


def is_on_postgresql(config):
    return config.known_args_namespace.database == "postgresql"


def is_worker():
    """Whether this process runs tests for another one (pytest-xdist)."""
    return "PYTEST_XDIST_WORKER" in os.environ


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Replaces the developer's own settings by those of the run."""
    from streamswarm.env import VARIABLES

    for variable in VARIABLES:
        os.environ.pop(variable.name, None)
        os.environ.pop(variable.seed_name, None)
    os.environ["SWARM_ENV_FILE"] = os.devnull
    # Short, because unix sockets below it have a limit of about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="swarm-"))
    early_config.stash[STASHED_FOLDER] = folder
    os.environ["SWARM_VAR_DIR"] = str(folder / "var")
    from tests.servers.prepared import share_folder

    early_config.stash[STASHED_PREPARED] = share_folder()
    if not is_on_postgresql(early_config):
        return
    from tests.servers.postgresql import PostgresqlMissingError

    try:
        cluster = find_cluster()
    except PostgresqlMissingError as error:
        if os.environ.get("CI"):
            raise pytest.UsageError(str(error)) from error
        early_config.stash[STASHED_SKIP_REASON] = str(error)
        return
    early_config.stash[STASHED_CLUSTER] = cluster
    os.environ["DATABASE_URL"] = cluster.build_url("postgres")


def pytest_configure():
    let_flushes_clear_the_audit()
    let_flushes_keep_what_migrations_make()
    look_for_static_files_once()


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Ten thousand tests, which stay to the end, are not searched for garbage again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def look_for_static_files_once():
    """Each test's client builds the middleware anew, and with it a list of hundreds of files."""
    from whitenoise.base import WhiteNoise

    look = WhiteNoise.update_files_dictionary
    found = {}

    def look_once(self, root, prefix):
        place = (str(root), prefix, type(self))
        if place not in found:
            known, self.files = self.files, {}
            look(self, root, prefix)
            found[place], self.files = self.files, known
        self.files.update(found[place])

    WhiteNoise.update_files_dictionary = look_once


def let_flushes_clear_the_audit():
    """Emptying all tables between tests is the one thing that may clear the audit."""
    from django.db.backends.base.operations import BaseDatabaseOperations

    from apps.accounts import triggers

    flush = BaseDatabaseOperations.execute_sql_flush

    def flush_without_triggers(self, sql_list):
        if any(triggers.TABLE in statement for statement in sql_list):
            vendor = self.connection.vendor
            sql_list = [*triggers.DROP[vendor], *sql_list, *triggers.CREATE[vendor]]
        return flush(self, sql_list)

    BaseDatabaseOperations.execute_sql_flush = flush_without_triggers


def let_flushes_keep_what_migrations_make():
    """The content types and permissions, which would be deleted and made again after each test."""
    from django.core.management.commands import flush
    from django.db.backends.base.introspection import BaseDatabaseIntrospection

    find_tables, make_sql = BaseDatabaseIntrospection.django_table_names, flush.sql_flush

    def list_tables(self, *arguments, **options):
        names = find_tables(self, *arguments, **options)
        return [name for name in names if name not in KEPT_TABLES]

    def make_sql_for_others(style, connection, **options):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BaseDatabaseIntrospection, "django_table_names", list_tables)
            return make_sql(style, connection, **options)

    flush.sql_flush = make_sql_for_others
    flush.emit_post_migrate_signal = lambda *_arguments, **_options: None


def find_cluster():
    """The cluster of the run: the process that was started first starts it, workers join."""
    from tests.servers.postgresql import join_cluster, start_cluster

    if is_worker():
        return join_cluster(Path(os.environ[CLUSTER_FOLDER_NAME]))
    cluster = start_cluster(is_durable=False)
    os.environ[CLUSTER_FOLDER_NAME] = str(cluster.folder)
    return cluster


def pytest_unconfigure(config):
    cluster = config.stash.get(STASHED_CLUSTER, None)
    if cluster is not None:
        cluster.stop()
    for key in (STASHED_FOLDER, STASHED_PREPARED):
        folder = config.stash.get(key, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def uses_database(item):
    if item.get_closest_marker("django_db") or item.get_closest_marker("postgresql"):
        return True
    return not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def is_repetition(item):
    """Whether the test shows here only what others, or the same on the other database, show."""
    marker = item.get_closest_marker("repeats")
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if marker is None:
        return False
    return not marker.args or any(value in marker.args for value in parameters)


def is_left_out(item):
    """Whether nothing may come out differently on PostgreSQL."""
    return (
        not uses_database(item)
        or item.path.parent.name in LEFT_OUT_FOLDERS
        or any(map(item.get_closest_marker, LEFT_OUT_MARKERS))
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """On PostgreSQL only what may come out differently there; each test knows its database."""
    left_out = {
        item
        for item in items
        if (is_on_postgresql(config) and is_left_out(item))
        or (config.option.quick and is_repetition(item))
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.path.parent.name not in WAITING_FOLDERS)
    skip_reason = config.stash.get(STASHED_SKIP_REASON, None)
    for item in items:
        if skip_reason is not None:
            item.add_marker(pytest.mark.skip(reason=skip_reason))
        is_postgresql = is_on_postgresql(config) or item.get_closest_marker("postgresql")
        database = POSTGRESQL if is_postgresql else SQLITE
        item.user_properties.append((DATABASE_PROPERTY, database))
        for name in ("redis", "postgresql"):
            if item.get_closest_marker(name) and f"{name}_server" not in item.fixturenames:
                item.fixturenames.insert(0, f"{name}_server")


def count_outcomes(terminalreporter):
    """How many tests of each database passed, failed and were skipped."""
    counts = {SQLITE: Counter(), POSTGRESQL: Counter()}
    for category, outcome in OUTCOMES.items():
        for report in terminalreporter.stats.get(category, []):
            database = dict(getattr(report, "user_properties", ())).get(DATABASE_PROPERTY, SQLITE)
            counts[database][outcome] += 1
    return counts


def describe_counts(counts):
    words = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    return words or "none"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    counts = count_outcomes(terminalreporter)
    line = "; ".join(f"on {name}: {describe_counts(counts[name])}" for name in counts)
    terminalreporter.write_line(f"tests {line}")
    if config.option.tally is not None:
        config.option.tally.write_text(json.dumps(counts))
