"""How often something was unusual: by day, by metric, by client."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate

from apps.ml.models import Finding
from apps.reports.algorithms.statistics import compare_counts
from apps.reports.selectors.analysis.question import Period, Question

KINDS = (Finding.Kind.SERIES_ANOMALY, Finding.Kind.JOINT_ANOMALY)
LISTED = 10
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Frequency:
    """Something, and how often it was unusual."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class DayCount:
    """A day of the zone, and how often something was unusual in it."""

    day: date
    count: int


@dataclass(frozen=True, slots=True)
class Anomalies:
    """How many began in the period and in the one before, and where; days are the zone's."""

    count: int
    before: int
    # How probable such a change is by chance alone, if they came at one pace.
    chance: float | None
    per_day: float
    days: tuple[DayCount, ...]
    metrics: tuple[Frequency, ...]
    clients: tuple[Frequency, ...]


def read_anomalies(question: Question) -> Anomalies:
    """Five queries, however many there are."""
    rows = list_anomalies(question, question.period)
    count = rows.count()
    before = list_anomalies(question, question.period.previous).count()
    local = TruncDate("started_at", tzinfo=question.zone)
    days = rows.annotate(day=local).values_list("day").annotate(n=Count("id")).order_by("day")
    return Anomalies(
        count=count,
        before=before,
        chance=compare_counts(count, before),
        per_day=count * DAY_SECONDS / question.period.length.total_seconds(),
        days=tuple(DayCount(day, n) for day, n in days),
        metrics=rank(rows.exclude(metric=""), "metric"),
        clients=rank(rows, "client__name"),
    )


def list_anomalies(question: Question, period: Period) -> "QuerySet[Finding]":
    rows = Finding.objects.filter(
        kind__in=KINDS,
        client_id__in=question.select_clients(),
        started_at__gte=period.start,
        started_at__lt=period.end,
    ).order_by()
    return rows.filter(test_id=question.test_id) if question.test_id else rows


def rank(rows: "QuerySet[Finding, Any]", field: str) -> tuple[Frequency, ...]:
    counted = rows.values_list(field).annotate(n=Count("id")).order_by("-n", field)
    return tuple(Frequency(name, count) for name, count in counted[:LISTED])
