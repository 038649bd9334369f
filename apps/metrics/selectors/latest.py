"""The newest values of sources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from apps.metrics.models import Fact, Latest
from apps.metrics.selectors.sources import ASSIGNMENT_KIND


@dataclass(frozen=True, slots=True)
class LatestValues:
    """The newest values of one source by metric key; what is missing has its reason code."""

    source_id: int
    kind: str
    subject: str
    at: datetime
    values: dict[str, float]
    absent: dict[str, str]


def list_host_values(client_id: UUID) -> list[LatestValues]:
    """The newest values of every source of the client that is no assignment's."""
    rows = Latest.objects.filter(source__client_id=client_id).exclude(source__kind=ASSIGNMENT_KIND)
    ordered = rows.select_related("source", "layout").order_by("source__kind", "source__subject")
    return [describe_latest(row) for row in ordered]


def read_latest(
    client_ids: Iterable[UUID], *, kinds: Sequence[str] = ("host",)
) -> dict[UUID, list[LatestValues]]:
    """The newest values of the clients' sources of those kinds; one query."""
    rows = Latest.objects.filter(
        source__client_id__in=list(client_ids), source__kind__in=list(kinds)
    ).select_related("source", "layout")
    found: dict[UUID, list[LatestValues]] = {}
    for row in rows:
        found.setdefault(row.source.client_id, []).append(describe_latest(row))
    return found


def read_latest_of_sources(source_ids: Sequence[int]) -> dict[int, LatestValues]:
    """The newest values by source; one query."""
    rows = Latest.objects.filter(source_id__in=source_ids).select_related("source", "layout")
    return {row.source_id: describe_latest(row) for row in rows}


def describe_latest(row: Latest) -> LatestValues:
    pairs = zip(row.layout.keys, row.values, strict=True)
    return LatestValues(
        source_id=row.source_id,
        kind=row.source.kind,
        subject=row.source.subject,
        at=row.at.astimezone(UTC),
        values={key: value for key, value in pairs if value is not None},
        absent=dict(row.absent or {}),
    )


def read_facts(source_id: int) -> dict[str, str]:
    """The facts of a source that hold now; however many held before, they are not read."""
    later = Fact.objects.filter(
        source=OuterRef("source"), key=OuterRef("key"), since__gt=OuterRef("since")
    )
    rows = Fact.objects.filter(~Exists(later), source_id=source_id)
    return dict(rows.values_list("key", "value"))


def list_fact_changes(
    source_id: int, key: str, *, start: datetime, end: datetime, limit: int
) -> tuple[int, list[datetime]]:
    """How often a fact of a source changed after `start` and up to `end`, and the last times of it.

    The latest comes first, `limit` of them at most. The first value there ever was is no change.
    """
    rows = Fact.objects.filter(source_id=source_id, key=key, since__lte=end)
    first = rows.order_by("since").values_list("since", flat=True).first()
    if first is None:
        return 0, []
    changes = rows.filter(since__gt=max(start, first)).order_by("-since")
    return changes.count(), list(changes.values_list("since", flat=True)[:limit])
