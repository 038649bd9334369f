"""The server's own figures in OpenMetrics, read from the database and Redis at each scrape."""

import platform
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from redis import RedisError

from apps.accounts.models import AuditHead
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.core.measuring import REQUEST_SECONDS
from apps.core.storage_state import read_storage_fault
from apps.ingest.selectors import sum_refusals
from apps.jobs.queues import Queue
from apps.jobs.selectors import count_jobs
from apps.metrics.models import IngestBatch
from apps.operations.liveness import read_worker_age_seconds
from apps.operations.queue_server import open_redis
from apps.tests.models import Assignment, Run, Test

__all__ = ["CONTENT_TYPE_LATEST", "expose_metrics"]

RECENT = timedelta(minutes=5)
LAST_HOUR = timedelta(hours=1)


def expose_metrics() -> bytes:
    """The whole exposition; what cannot be read (Redis away) is absent from it, never 0."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(namespace="streamswarm_web", registry=registry)
    PlatformCollector(registry=registry)
    registry.register(REQUEST_SECONDS)
    registry.register(ServerCollector(read_now()))
    exposition: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]  # it ships no types here
    return exposition


class ServerCollector(Collector):
    """Some ten small queries; every name begins with `streamswarm_` and ends in its unit."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield describe_build()
        yield from describe_clients()
        yield from describe_tests(self._now)
        yield from describe_intake(self._now)
        yield from describe_refusals()
        yield from describe_work()
        yield describe_audit()


def build_gauge(name: str, help_text: str, **labelled: Any) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"streamswarm_{name}", help_text, **labelled)


def describe_build() -> Metric:
    labels = ["database", "python"]
    build = build_gauge("build_info", "What this server is made of.", labels=labels)
    build.add_metric([connection.vendor, platform.python_version()], 1)
    return build


def describe_clients() -> Iterator[Metric]:
    clients = build_gauge("clients", "Clients by presence.", labels=["presence"])
    counted = Client.objects.order_by().values_list("presence").annotate(Count("id"))
    counts = dict(counted)
    for presence in Client.Presence.values:
        clients.add_metric([presence], counts.get(presence, 0))
    yield clients
    sums = Client.objects.aggregate(
        depth=Coalesce(Sum("spool_depth"), 0),
        dropped=Coalesce(Sum("spool_dropped"), 0),
        clones=Count("id", filter=~Q(clone_suspected_at=None)),
    )
    yield build_gauge(
        "client_spool_records", "Records waiting in the agents' spools.", value=sums["depth"]
    )
    yield CounterMetricFamily(
        "streamswarm_client_spool_dropped_records",
        "Records that full spools of agents threw away.",
        value=sums["dropped"],
    )
    yield build_gauge("suspected_clones", "Clients whose key two agents use.", value=sums["clones"])


def describe_tests(now: datetime) -> Iterator[Metric]:
    tests = build_gauge("tests", "Tests by state.", labels=["state"])
    sums = Test.objects.aggregate(
        paused=Count("id", filter=Q(is_paused=True)), active=Count("id", filter=Q(is_paused=False))
    )
    for state, count in sums.items():
        tests.add_metric([state], count)
    yield tests
    assignments = Assignment.objects.filter(removed_at=None)
    yield build_gauge("assignments", "Tests given to clients.", value=assignments.count())
    planned = assignments.filter(test__is_paused=False, planned_until__isnull=False)
    until = planned.order_by("planned_until").values_list("planned_until", flat=True).first()
    if until is not None:
        ahead = (until - now).total_seconds()
        help_text = "How far ahead the least planned assignment has runs; below 0 is too late."
        yield build_gauge("planned_ahead_seconds", help_text, value=ahead)
    yield count_runs(now)


def count_runs(now: datetime) -> Metric:
    runs = build_gauge(
        "runs_of_last_hour", "Runs whose planned end was in the last hour.", labels=["state"]
    )
    rows = Run.objects.filter(end_at__gt=now - LAST_HOUR, end_at__lte=now)
    counts = dict(rows.order_by().values_list("state").annotate(Count("id")))
    for state in Run.State.values:
        runs.add_metric([state], counts.get(state, 0))
    return runs


def describe_intake(now: datetime) -> Iterator[Metric]:
    recent = IngestBatch.objects.filter(received_at__gt=now - RECENT)
    sums = recent.aggregate(
        batches=Count("id"),
        stored=Coalesce(Sum("stored"), 0),
        duplicate=Coalesce(Sum("duplicate"), 0),
        rejected=Coalesce(Sum("rejected"), 0),
    )
    yield build_gauge(
        "ingest_batches_of_last_5_minutes", "Uploads of agents.", value=sums.pop("batches")
    )
    help_text = "Records of the agents' uploads by what became of them."
    records = build_gauge("ingest_records_of_last_5_minutes", help_text, labels=["outcome"])
    for outcome, count in sums.items():
        records.add_metric([outcome], count)
    yield records


def describe_refusals() -> Iterator[Metric]:
    refused = CounterMetricFamily(
        "streamswarm_ingest_refused_records",
        "Records that were ever refused, by reason.",
        labels=["code"],
    )
    for code, count in sum_refusals().items():
        refused.add_metric([code], count)
    yield refused
    help_text = "1 while uploads are refused because the database's disk is full."
    yield build_gauge("storage_full", help_text, value=float(read_storage_fault() is not None))


def describe_work() -> Iterator[Metric]:
    age = read_worker_age_seconds(settings.VAR_DIR)
    if age is not None:
        help_text = "Time since a worker on this machine last did scheduled work."
        yield build_gauge("scheduled_work_age_seconds", help_text, value=age)
    help_text = "Wake-up calls that no worker took yet."
    waiting = build_gauge("queued_tasks", help_text, labels=["queue"])
    for queue, count in count_queued_tasks().items():
        waiting.add_metric([queue], count)
    yield waiting
    yield from describe_jobs()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            )
        else:
            cursor.execute("SELECT pg_database_size(current_database())")
        size = cursor.fetchone()[0]
    yield build_gauge("database_size_bytes", "Size of the database.", value=size)


def describe_jobs() -> Iterator[Metric]:
    counts = count_jobs()
    jobs = build_gauge(
        "jobs", "Background jobs by state; dead ones were given up.", labels=["state"]
    )
    for state, count in counts.by_state.items():
        jobs.add_metric([state], count)
    yield jobs
    help_text = "Background jobs that should have been running for a minute."
    yield build_gauge("overdue_jobs", help_text, value=counts.overdue)


def count_queued_tasks() -> dict[str, int]:
    """The length of each queue; none of them without Redis."""
    client = open_redis()
    try:
        return {queue.value: int(client.llen(queue.value)) for queue in Queue}
    except RedisError:
        return {}
    finally:
        client.close()


def describe_audit() -> Metric:
    head = AuditHead.objects.values_list("count", flat=True).first()
    return CounterMetricFamily(
        "streamswarm_audit_entries", "Entries of the audit chain.", value=head or 0
    )
