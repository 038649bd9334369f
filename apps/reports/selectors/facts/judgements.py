"""What was judged of the clients in a period: health, diagnoses, unusual values, limits ahead."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.models import Count, Max

from apps.accounts.policy import AnyUser
from apps.ml.algorithms.courses import Course
from apps.ml.models import Diagnosis, Finding, Forecast
from apps.ml.selectors.diagnoses import list_diagnoses
from apps.ml.selectors.forecasts import list_forecasts
from apps.ml.selectors.health import find_score_of_all, read_course, read_course_of_clients
from apps.reports.selectors.facts.accounts import Span

BUCKETS = 60
MOST_DIAGNOSES = 2_000
MOST_METRICS = 10


@dataclass(frozen=True, slots=True)
class UnusualMetric:
    """How often one metric was unusual on how many clients, and by how much at most."""

    metric: str
    findings: int
    clients: int
    score: float


@dataclass(frozen=True, slots=True)
class Judgements:
    """The judgements of one period."""

    diagnoses: Sequence[Diagnosis]
    unusual: Sequence[UnusualMetric]
    forecasts: Sequence[Forecast]

    @property
    def by_cause(self) -> Mapping[str, Sequence[Diagnosis]]:
        """The diagnoses that name a cause, by that cause."""
        found: dict[str, list[Diagnosis]] = defaultdict(list)
        for one in self.diagnoses:
            if one.cause:
                found[one.cause].append(one)
        return found


def read_judgements(
    user: AnyUser, client_ids: Sequence[UUID], span: Span, *, test_ids: Sequence[UUID] = ()
) -> Judgements:
    """What `user` may see of the judgements of those clients, of those tests if any are named.

    Three queries.
    """
    diagnoses = list_diagnoses(user).filter(
        client_id__in=client_ids, about_at__gte=span.start, about_at__lt=span.end
    )
    forecasts = list_forecasts(user).filter(source__client_id__in=client_ids, limit__isnull=False)
    if test_ids:
        diagnoses = diagnoses.filter(test_id__in=test_ids)
        forecasts = forecasts.filter(source__assignment__test_id__in=test_ids)
    return Judgements(
        diagnoses=list(diagnoses[:MOST_DIAGNOSES]),
        unusual=count_unusual(client_ids, span, test_ids),
        forecasts=list(forecasts),
    )


def count_unusual(
    client_ids: Sequence[UUID], span: Span, test_ids: Sequence[UUID]
) -> list[UnusualMetric]:
    """The metrics of the clients, which the caller may see, that were unusual most often."""
    rows = Finding.objects.filter(
        kind=Finding.Kind.SERIES_ANOMALY,
        client_id__in=client_ids,
        started_at__lt=span.end,
        ended_at__gt=span.start,
    ).order_by()
    if test_ids:
        rows = rows.filter(test_id__in=test_ids)
    counted = rows.values("metric").annotate(
        findings=Count("id"), clients=Count("client_id", distinct=True), score=Max("score")
    )
    return [
        UnusualMetric(row["metric"], row["findings"], row["clients"], row["score"] or 0.0)
        for row in counted.order_by("-findings", "metric")[:MOST_METRICS]
    ]


def read_health(
    user: AnyUser, client_ids: Sequence[UUID], span: Span, *, is_everything: bool
) -> float | None:
    """The mean health score of the clients over the period; None where none is known.

    Also None of more than 200 clients that are not all there are.
    """
    start, end = span.start, span.end
    row = find_score_of_all(user) if is_everything else None
    if row is not None:
        course: Course | None = read_course(row, start=start, end=end, buckets=BUCKETS)
    else:
        course = read_course_of_clients(client_ids, start=start, end=end, buckets=BUCKETS)
    if course is None or np.isnan(course.mean).all():
        return None
    return float(np.nanmean(course.mean))
