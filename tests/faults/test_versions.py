"""Servers and agents of other versions: old requests, later fields, migrations under load."""

import json
import re
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from apps.ingest.structures import DATA_TYPES
from tests.faults.sending import run_door
from tests.faults.uploads import judge_uploads, keep_uploading, wait_for_uploads

GOLDEN = Path(settings.BASE_DIR) / "tests" / "contract" / "golden"
# Tables that grow with time or with the number of clients' measurements.
LARGE_TABLES = (
    "metrics_frame", "metrics_fact", "metrics_document", "metrics_ingestbatch", "metrics_batchmark",
    "metrics_rollup", "tests_run", "tests_result", "accounts_auditentry", "ingest_rejectedrecord",
)  # fmt: skip
TABLE = rf'"?(?:{"|".join(LARGE_TABLES)})"?'
LONG_LOCKS = {
    "builds an index while nobody may write": re.compile(
        rf"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).* ON {TABLE} ", re.IGNORECASE
    ),
    "writes the whole table anew": re.compile(
        rf"ALTER TABLE {TABLE} ALTER COLUMN .* TYPE ", re.IGNORECASE
    ),
    "reads the whole table to check it": re.compile(
        rf"ALTER TABLE {TABLE} (?:ADD CONSTRAINT (?!.*NOT VALID)|ALTER COLUMN .* SET NOT NULL)",
        re.IGNORECASE,
    ),
    "adds a column that may not be empty": re.compile(
        rf"ALTER TABLE {TABLE} ADD COLUMN (?!.*DEFAULT).* NOT NULL", re.IGNORECASE
    ),
    "checks or indexes a new column at once": re.compile(
        rf"ALTER TABLE {TABLE} ADD COLUMN .* (?:UNIQUE|REFERENCES)", re.IGNORECASE
    ),
}
LATER_SETTINGS = """
from streamswarm.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "later"]
"""
LATER_MIGRATION = """
import django.db.models.deletion
from django.db import migrations, models

class Migration(migrations.Migration):
    # Locks of several tables in one transaction and an upload could wait for each other.
    atomic = False

    dependencies = [("clients", "0001_initial"), ("metrics", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "Thing",
            [
                ("id", models.BigAutoField(primary_key=True)),
                (
                    "client",
                    models.ForeignKey("clients.client", django.db.models.deletion.CASCADE),
                ),
            ],
        ),
        migrations.RunSQL(
            "ALTER TABLE metrics_frame ADD COLUMN later_note double precision NULL",
            "ALTER TABLE metrics_frame DROP COLUMN later_note",
        ),
        migrations.RunSQL(
            "ALTER TABLE metrics_ingestbatch ADD COLUMN later_count integer DEFAULT 0 NOT NULL",
            "ALTER TABLE metrics_ingestbatch DROP COLUMN later_count",
        ),
        migrations.RunSQL(
            "ALTER TABLE clients_client ADD COLUMN later_name varchar(20) DEFAULT '' NOT NULL",
            "ALTER TABLE clients_client DROP COLUMN later_name",
        ),
    ]
"""


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def stack(request):
    with run_door(request) as running:
        yield running


@pytest.fixture(scope="module")
def later_version(tmp_path_factory):
    """The folder of a version whose newest migration changes large tables."""
    folder = tmp_path_factory.mktemp("later")
    migrations = folder / "later" / "migrations"
    migrations.mkdir(parents=True)
    (folder / "later_settings.py").write_text(LATER_SETTINGS)
    (folder / "later" / "__init__.py").touch()
    (migrations / "__init__.py").touch()
    (migrations / "0001_initial.py").write_text(LATER_MIGRATION)
    return folder


def migrate(stack, folder, *target):
    """`manage.py migrate` of the later version, while the present one serves."""
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'later_settings'\n"
        "from django.core.management import execute_from_command_line\n"
        f"execute_from_command_line(['manage.py', 'migrate', '--verbosity=0', *{list(target)!r}])\n"
    )
    return stack.run_python("-c", program)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.repeats("sqlite")
def test_uploads_go_on_through_migrations_and_a_restart_and_lose_nothing(
    stack, later_version, rounds, fault_journal
):
    recovery_seconds = 0.0
    with keep_uploading(stack) as uploads:
        for _ in range(max(1, rounds // 2)):
            migrate(stack, later_version)
            wait_for_uploads(uploads)
            begin = time.monotonic()
            stack.restart("web")
            wait_for_uploads(uploads)
            recovery_seconds = max(recovery_seconds, time.monotonic() - begin)
            migrate(stack, later_version, "later", "zero")
            wait_for_uploads(uploads)
    # On a quiet machine one agent sends more than its share, and is asked to wait (429).
    assert set(uploads.statuses) <= {200, 429, 503}, uploads.statuses
    verdicts = judge_uploads(stack, uploads)
    fault_journal.record(
        13,
        "upgraded, restarted, rolled back",
        *verdicts,
        runs=max(1, rounds // 2),
        recovery_seconds=recovery_seconds,
    )
    for verdict in verdicts:
        assert verdict.is_exactly_once, verdict


def list_later_migrations():
    """The migrations of our own rooms after the first of each, in the same order everywhere."""
    loader = MigrationLoader(None)
    return sorted(
        (label, name)
        for (label, name), migration in loader.disk_migrations.items()
        if type(migration).__module__.startswith("apps.") and not name.startswith("0001")
    )


@pytest.mark.postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(("label", "name"), list_later_migrations())
def test_no_migration_holds_a_large_table_for_long(label, name):
    if connection.vendor != "postgresql":
        pytest.skip("needs --database=postgresql")
    executor = MigrationExecutor(connection)
    migration = executor.loader.get_migration(label, name)
    statements = executor.loader.collect_sql([(migration, False)])
    assert statements
    created = {
        f"{label}_{operation.name.lower()}"
        for operation in migration.operations
        if type(operation).__name__.endswith("Model") and "Create" in type(operation).__name__
    }
    found = [
        f"{why}: {statement}"
        for statement in statements
        for why, pattern in LONG_LOCKS.items()
        if pattern.search(statement) and not any(table in statement for table in created)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("statement", "is_long"),
    [
        ('CREATE INDEX "a" ON "metrics_frame" ("at");', True),
        ('CREATE INDEX CONCURRENTLY "a" ON "tests_run" ("state");', False),
        ('CREATE UNIQUE INDEX "a" ON "tests_result" ("run_id");', True),
        ('CREATE INDEX "a" ON "clients_site" ("name");', False),
        ('ALTER TABLE "tests_run" ALTER COLUMN "slot" TYPE bigint USING "slot"::bigint;', True),
        ('ALTER TABLE "metrics_fact" ADD CONSTRAINT "a" CHECK ("since" IS NOT NULL);', True),
        ('ALTER TABLE "metrics_fact" ADD CONSTRAINT "a" CHECK ("x" > 0) NOT VALID;', False),
        ('ALTER TABLE "tests_result" ALTER COLUMN "method" SET NOT NULL;', True),
        ('ALTER TABLE "tests_result" ADD COLUMN "note" text NULL;', False),
        ('ALTER TABLE "tests_result" ADD COLUMN "note" text NOT NULL;', True),
        ('ALTER TABLE "tests_result" ADD COLUMN "note" text DEFAULT \'\' NOT NULL;', False),
        ('ALTER TABLE "tests_run" ADD COLUMN "a_id" bigint NULL REFERENCES "b" ("id");', True),
    ],
)
def test_statements_that_lock_for_long_are_found(statement, is_long):
    assert any(pattern.search(statement) for pattern in LONG_LOCKS.values()) == is_long


def test_golden_requests_show_every_kind_of_record_that_a_release_sends():
    for version in sorted(path for path in GOLDEN.iterdir() if path.is_dir()):
        documents = [json.loads(path.read_text()) for path in version.glob("*.json")]
        kinds = {
            record["kind"]
            for document in documents
            for record in document["body"].get("records", ())
        }
        assert kinds == set(DATA_TYPES), version.name
