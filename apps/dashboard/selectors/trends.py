"""How things went lately over all that somebody may see: the overview's chart and tiles."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from django.core.cache import cache
from django.db.models import Case, FloatField, Model, QuerySet, Sum, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from apps.accounts.policy import AnyUser, Permission, find_scope
from apps.clients.selectors import list_clients
from apps.core.buckets import choose_step_seconds
from apps.core.clock import read_now
from apps.ingest.models import RejectedRecord
from apps.metrics.models import IngestBatch
from apps.tests.models import Result
from apps.tests.selectors import list_results

CACHE_SECONDS = 10
MAXIMUM_RESULTS = 20_000
BUCKETS = 60
ROUND_TRIP_KEY = "net.rtt.median"
LOSS_KEY = "net.packet.loss.ratio"
ALL_RUN_IDS = 2**128

Column = list[float | None]
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Trend:
    """Equal buckets of results, oldest first; None where a bucket holds no such value.

    `at` is Unix seconds of each begin; round trips in seconds, loss as a ratio, both without runs
    that exclusive ones disturbed: filling a path is no news of it. With
    `sampled_share` below 1 only that share of the results, drawn by chance, was looked at.
    """

    step_seconds: int
    at: list[float]
    runs: list[int]
    failures: list[int]
    round_trip_p50: Column
    round_trip_p95: Column
    loss: Column
    sampled_share: float


@dataclass(frozen=True, slots=True)
class Intake:
    """Records stored in a minute, and whether any was refused in the hour."""

    stored: int
    has_refused: bool


def read_trend(user: AnyUser, span: timedelta) -> Trend:
    """The trend of the last `span`; kept for some seconds for all users of the same scope."""
    trend = find_trend(user, span)
    if trend is None:
        trend = compute_trend(user, end=read_now(), span=span)
        cache.set(name_trend(user, span), trend, CACHE_SECONDS)
    return trend


def find_trend(user: AnyUser, span: timedelta) -> Trend | None:
    """The trend if it is at hand; a page that must not wait does without."""
    trend: Trend | None = cache.get(name_trend(user, span))
    return trend


def name_trend(user: AnyUser, span: timedelta) -> str:
    return f"trend:{hash(find_scope(user, Permission.VIEW))}:{span.total_seconds():g}"


def compute_trend(user: AnyUser, *, end: datetime, span: timedelta) -> Trend:
    start = end - span
    rows, share = sample(list_results(user).order_by().filter(received_at__gte=start))
    measured = rows.select_related(None).values_list(
        "received_at",
        "is_success",
        read_normal(ROUND_TRIP_KEY),
        read_normal(LOSS_KEY),
    )
    step = choose_step_seconds(start, end, BUCKETS)
    first = int(start.timestamp()) // step * step
    count = (int(end.timestamp()) - first) // step + 1
    return build_trend(measured, first=first, step=step, count=count, share=share)


def sample(rows: QuerySet[Result]) -> tuple[QuerySet[Result], float]:
    """At most about 20,000 of the rows, and their share: ids of runs are evenly spread hashes."""
    total = rows.count()
    if total <= MAXIMUM_RESULTS:
        return rows, 1.0
    limit = UUID(int=ALL_RUN_IDS * MAXIMUM_RESULTS // total)
    return rows.filter(run_id__lt=limit), MAXIMUM_RESULTS / total


def read_normal(key: str) -> Case:
    """The number of a result, or None of a run that an exclusive one disturbed."""
    number = Cast(KT(f"values__{key}"), FloatField())
    return Case(When(run__is_overlapped=False, then=number), output_field=FloatField())


def build_trend(
    rows: Iterable[tuple[datetime, bool | None, float | None, float | None]],
    *,
    first: int,
    step: int,
    count: int,
    share: float,
) -> Trend:
    table = np.array(
        [
            (at.timestamp(), is_success is False, as_number(round_trip), as_number(loss))
            for at, is_success, round_trip, loss in rows
        ],
        dtype=np.float64,
    ).reshape(-1, 4)
    places = np.clip((table[:, 0] - first) // step, 0, count - 1).astype(int)
    buckets = [table[places == place] for place in range(count)]
    return Trend(
        step_seconds=step,
        at=[float(first + place * step) for place in range(count)],
        runs=[round(len(rows) / share) for rows in buckets],
        failures=[round(float(rows[:, 1].sum()) / share) for rows in buckets],
        round_trip_p50=[take_percentile(rows[:, 2], 50) for rows in buckets],
        round_trip_p95=[take_percentile(rows[:, 2], 95) for rows in buckets],
        loss=[take_mean(rows[:, 3]) for rows in buckets],
        sampled_share=share,
    )


def as_number(value: float | None) -> float:
    return np.nan if value is None else value


def take_percentile(column: "np.ndarray[Any, Any]", percent: float) -> float | None:
    known = column[~np.isnan(column)]
    return float(np.percentile(known, percent)) if known.size else None


def take_mean(column: "np.ndarray[Any, Any]") -> float | None:
    known = column[~np.isnan(column)]
    return float(known.mean()) if known.size else None


def read_intake(user: AnyUser) -> Intake:
    """What the clients that `user` sees delivered in the last whole minute."""
    end = read_now().replace(second=0, microsecond=0)
    batches = narrow_to_clients(user, IngestBatch.objects.all())
    minute = batches.filter(received_at__gte=end - timedelta(minutes=1), received_at__lt=end)
    refused = narrow_to_clients(user, RejectedRecord.objects.all())
    return Intake(
        stored=minute.aggregate(sum=Sum("stored"))["sum"] or 0,
        has_refused=refused.filter(received_at__gte=end - timedelta(hours=1)).exists(),
    )


def narrow_to_clients(user: AnyUser, rows: QuerySet[Row]) -> QuerySet[Row]:
    if find_scope(user, Permission.VIEW).is_everything:
        return rows
    return rows.filter(client_id__in=list_clients(user).order_by().values("id"))
