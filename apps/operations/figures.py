"""How much this server holds and does, in a few figures."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.clients.models import Client
from apps.jobs.selectors import count_jobs
from apps.metrics.models import IngestBatch
from apps.metrics.selectors import read_storage
from apps.operations.exposition import count_queued_tasks
from apps.tests.models import Assignment, Run, Test

RECENT = timedelta(minutes=5)
LAST_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoredTier:
    """A part of what is stored; rows and bytes are the database's estimates."""

    name: str
    rows: int
    bytes: int
    bytes_per_day: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The state at one moment. `queues` is empty when Redis does not answer."""

    at: datetime
    database_bytes: int
    tiers: tuple[StoredTier, ...]
    clients: dict[str, int]
    tests: int
    assignments: int
    runs_of_last_hour: dict[str, int]
    stored_per_second: float
    rejected_per_second: float
    queues: dict[str, int]
    jobs: dict[str, int]
    overdue_jobs: int


def read_figures(now: datetime) -> Figures:
    """All figures; some ten small queries, the sizes at most a minute old."""
    storage, jobs = read_storage(now), count_jobs()
    recent = IngestBatch.objects.filter(received_at__gt=now - RECENT, received_at__lte=now)
    sums = recent.aggregate(
        stored=Coalesce(Sum("stored"), 0), rejected=Coalesce(Sum("rejected"), 0)
    )
    ended = Run.objects.filter(end_at__gt=now - LAST_HOUR, end_at__lte=now)
    return Figures(
        at=now,
        database_bytes=storage.database_bytes,
        tiers=tuple(
            StoredTier(tier.name, tier.rows, tier.bytes, tier.bytes_per_day)
            for tier in storage.tiers
        ),
        clients=count_by(Client.objects.filter(deleted_at=None), "presence"),
        tests=Test.objects.count(),
        assignments=Assignment.objects.filter(removed_at=None).count(),
        runs_of_last_hour=count_by(ended, "state"),
        stored_per_second=sums["stored"] / RECENT.total_seconds(),
        rejected_per_second=sums["rejected"] / RECENT.total_seconds(),
        queues=count_queued_tasks(),
        jobs=dict(jobs.by_state),
        overdue_jobs=jobs.overdue,
    )


def count_by(rows: "QuerySet[Any]", field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(n=Count("pk")).order_by(field))
