"""Whether this process lives, and whether it can serve: for supervisors and load balancers."""

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from apps.core.storage_state import read_storage_fault
from apps.operations.queue_server import open_redis

OK, PENDING, UNAVAILABLE, FULL = "ok", "pending", "unavailable", "full"


class SchemaCheck:
    """Whether all migrations are applied; once they are, they stay so for this process."""

    def __init__(self) -> None:
        self._is_complete = False

    def run(self) -> str:
        if not self._is_complete:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
            self._is_complete = not plan
        return OK if self._is_complete else PENDING


SCHEMA_CHECK = SchemaCheck()


@never_cache
@require_safe
def show_health(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def show_readiness(_request: HttpRequest) -> JsonResponse:
    database, migrations = check_database()
    redis = check_redis(settings.REDIS_URL)
    is_ready = database == OK and migrations == OK
    storage = OK if read_storage_fault() is None else FULL
    is_whole = redis == OK and storage == OK
    status = "not ready" if not is_ready else "ready" if is_whole else "degraded"
    checks = {"database": database, "migrations": migrations, "redis": redis, "storage": storage}
    return JsonResponse({"status": status, "checks": checks}, status=200 if is_ready else 503)


def check_database() -> tuple[str, str]:
    """The state of the database and of its schema; why it is away stays out of the answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return OK, SCHEMA_CHECK.run()
    except Error:
        return UNAVAILABLE, UNAVAILABLE


def check_redis(url: str) -> str:
    """Without Redis pages poll and schedules wait, but agents' records are still taken."""
    client = open_redis(url)
    try:
        client.ping()
    except RedisError:
        return UNAVAILABLE
    finally:
        client.close()
    return OK
