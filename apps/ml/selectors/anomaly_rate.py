"""How much of what a client measures is unusual, and which of its metrics most: where to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import FieldError, Invalid
from apps.ml.algorithms.series import LEARNING_VALUES
from apps.ml.models import Finding, SeriesState
from apps.ml.selectors.sentences import describe_series


@dataclass(frozen=True, slots=True)
class UnusualMetric:
    """A series with findings in the time asked for; `text` is the gravest one's sentence."""

    source_id: int
    source_kind: str
    source_subject: str
    test_id: UUID | None
    metric: str
    findings: int
    score: float
    first_at: datetime
    last_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class AnomalyRate:
    """Of a client's series that have been learnt, how many were unusual; the gravest first.

    `rate` is from 0 to 1, None while none is learnt.
    """

    judged: int
    learning: int
    rate: float | None
    metrics: tuple[UnusualMetric, ...]

    @property
    def unusual(self) -> int:
        return len(self.metrics)


def read_anomaly_rate(client_id: UUID, *, start: datetime, end: datetime) -> AnomalyRate:
    """The client's series by what was found in [start, end).

    Raises: Invalid when the range is empty.
    """
    if start >= end:
        raise Invalid([FieldError("end", "out_of_range", "must be later than start")])
    states = SeriesState.objects.filter(source__client_id=client_id)
    known = states.count()
    judged = states.filter(values_count__gte=LEARNING_VALUES).count()
    metrics = rank_metrics(list_series_findings(client_id, start, end).select_related("source"))
    # A finding of a series whose state was not stored since counts for it.
    judged = max(judged, len(metrics))
    return AnomalyRate(
        judged=judged,
        learning=max(known - judged, 0),
        rate=len(metrics) / judged if judged else None,
        metrics=metrics,
    )


def list_series_findings(client_id: UUID, start: datetime, end: datetime) -> "QuerySet[Finding]":
    return Finding.objects.filter(
        kind=Finding.Kind.SERIES_ANOMALY,
        client_id=client_id,
        started_at__lt=end,
        ended_at__gt=start,
    ).order_by("started_at", "id")


def rank_metrics(findings: "QuerySet[Finding]") -> tuple[UnusualMetric, ...]:
    """One row for each series, by its greatest score, then by how often it was unusual."""
    groups: dict[tuple[int | None, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.source_id, finding.metric), []).append(finding)
    rows = [describe_group(group) for group in groups.values()]
    return tuple(sorted(rows, key=lambda row: (-row.score, -row.findings, row.metric)))


def describe_group(group: Sequence[Finding]) -> UnusualMetric:
    gravest = max(group, key=lambda finding: finding.score or 0.0)
    source = gravest.source
    return UnusualMetric(
        source_id=source.id if source else 0,
        source_kind=source.kind if source else "",
        source_subject=source.subject if source else "",
        test_id=gravest.test_id,
        metric=gravest.metric,
        findings=len(group),
        score=gravest.score or 0.0,
        first_at=group[0].started_at,
        last_at=group[-1].started_at,
        text=describe_series(gravest.cause, gravest.evidence),
    )
