"""The database, its schema, and Redis."""

import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from redis import RedisError

from apps.operations.doctor.base import Finding, Verdict
from apps.operations.queue_server import open_redis

SLOW_ANSWER_SECONDS = 0.25


def check_database() -> list[Finding]:
    """Whether the database answers, how fast, and which it is."""
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            elapsed = time.monotonic() - began
            version = describe_version(cursor)
    except Error as error:
        hint = "Is it started, and is DATABASE_URL right? PostgreSQL: pg_isready; its log says why."
        return [Finding("database", Verdict.FAILED, f"{connection.vendor}: {error}".strip(), hint)]
    detail = f"{version}, answered in {elapsed * 1000:.0f} ms"
    if elapsed > SLOW_ANSWER_SECONDS:
        hint = "Look at the machine's load and at the disk the database writes to."
        return [Finding("database", Verdict.WARNING, detail, hint)]
    return [Finding("database", Verdict.OK, detail)]


def describe_version(cursor: Any) -> str:
    if connection.vendor == "sqlite":
        cursor.execute("SELECT sqlite_version()")
        version = cursor.fetchone()[0]
        path = Path(str(settings.DATABASES["default"]["NAME"]))
        size = path.stat().st_size / 1e6 if path.exists() else 0
        return f"SQLite {version}, {size:.0f} MB in {path}"
    cursor.execute("SHOW server_version")
    version = cursor.fetchone()[0]
    cursor.execute("SELECT pg_database_size(current_database())")
    return f"PostgreSQL {version}, {cursor.fetchone()[0] / 1e6:.0f} MB"


def check_migrations() -> list[Finding]:
    """Whether the schema is the one this code expects."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error:
        return [Finding("migrations", Verdict.SKIPPED, "the database does not answer")]
    if plan:
        first = f"{plan[0][0].app_label}.{plan[0][0].name}"
        detail = f"{len(plan)} not applied, the first is {first}"
        return [Finding("migrations", Verdict.FAILED, detail, "Run manage.py migrate.")]
    return [Finding("migrations", Verdict.OK, "all applied")]


def check_redis() -> list[Finding]:
    """Whether Redis answers, and does not throw away what it is given to keep."""
    client = open_redis()
    try:
        server: Any = client.info("server")
        memory: Any = client.info("memory")
    except RedisError as error:
        hint = "Without it pages poll and schedules wait. Is it started, and is REDIS_URL right?"
        return [Finding("redis", Verdict.FAILED, str(error), hint)]
    finally:
        client.close()
    detail = f"Redis {server['redis_version']}, {memory['used_memory'] / 1e6:.1f} MB used"
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        hint = "Set maxmemory-policy noeviction: it holds a queue, not a cache."
        return [Finding("redis", Verdict.WARNING, f"{detail}; evicts by {policy}", hint)]
    return [Finding("redis", Verdict.OK, detail)]
