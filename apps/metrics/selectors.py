"""Reading series: every page, API and judgement gets its numbers here."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.core.buckets import choose_step_seconds
from apps.core.errors import FieldError, Invalid, NotFound
from apps.metrics.algorithms.series import Buckets, bucket_series
from apps.metrics.fields import ElementAt
from apps.metrics.models import Document, Fact, Frame, Latest, Layout, Source

MAXIMUM_POINTS = 2000
ROWS_PER_FETCH = 5000

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
ASSIGNMENT_KIND = "assignment"
NAMED_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one source: single values (`step_seconds` 0) or buckets, oldest first.

    `at` is Unix seconds (of a bucket: its begin). In single values all columns are the value.
    """

    step_seconds: int
    at: list[float]
    count: list[int]
    minimum: list[float]
    mean: list[float]
    maximum: list[float]
    p95: list[float]


@dataclass(frozen=True, slots=True)
class LatestValues:
    """The newest values of one source by metric key; what is missing has its reason code."""

    source_id: int
    kind: str
    subject: str
    at: datetime
    values: dict[str, float]
    absent: dict[str, str]


def find_source(client_id: UUID, kind: str, subject: str = "") -> Source | None:
    return Source.objects.filter(client_id=client_id, kind=kind, subject=subject).first()


def list_sources(client_id: UUID) -> list[Source]:
    return list(Source.objects.filter(client_id=client_id).order_by("kind", "subject"))


def find_host_source(
    *, client_id: UUID, key: str, kind: str = "", subject: str | None = None
) -> Source:
    """The client's source (of no assignment) that has `key`, among those of `kind` and `subject`.

    Raises: NotFound when there is none, Invalid naming the subjects when there are several.
    """
    rows = Source.objects.filter(client_id=client_id).exclude(kind=ASSIGNMENT_KIND)
    if kind:
        rows = rows.filter(kind=kind)
    if subject is not None:
        rows = rows.filter(subject=subject)
    found = list(rows.order_by("kind", "subject"))
    if len(found) > 1:
        keys = list_keys([source.id for source in found])
        found = [source for source in found if key in keys.get(source.id, ())]
    if not found:
        raise NotFound("source_unknown", f"This client has not sent {key!r} from such a source.")
    if len(found) > 1:
        names = ", ".join(str(source) for source in found[:NAMED_AT_MOST])
        detail = f"must say which of {len(found)} sources is meant ({names})"
        raise Invalid([FieldError("subject", "ambiguous", detail)])
    return found[0]


def list_host_values(client_id: UUID) -> list[LatestValues]:
    """The newest values of every source of the client that is no assignment's."""
    rows = Latest.objects.filter(source__client_id=client_id).exclude(source__kind=ASSIGNMENT_KIND)
    ordered = rows.select_related("source", "layout").order_by("source__kind", "source__subject")
    return [describe_latest(row) for row in ordered]


def list_keys(source_ids: Sequence[int]) -> dict[int, list[str]]:
    """The metric keys of each source's newest frame."""
    rows = Latest.objects.filter(source_id__in=source_ids).values_list("source_id", "layout__keys")
    return dict(rows)


def read_range(
    *, source_id: int, key: str, start: datetime, end: datetime, points: int = MAXIMUM_POINTS
) -> Series:
    """The values of `key` in [start, end), as at most `points` points.

    Single values where they fit, else buckets of a nice step.
    Raises: Invalid when the range is empty or `points` is not from 1 to 2,000.
    """
    check_range(start, end, points)
    at, values = read_values(source_id, key, start, end)
    if len(at) <= points:
        column = values.tolist()
        return Series(0, at.tolist(), [1] * len(column), column, column, column, column)
    step_seconds = choose_step_seconds(start, end, points)
    return describe_buckets(bucket_series(at, values, step_seconds), step_seconds)


def check_range(start: datetime, end: datetime, points: int) -> None:
    errors = []
    if start >= end:
        errors.append(FieldError("end", "out_of_range", "must be later than start"))
    if not 1 <= points <= MAXIMUM_POINTS:
        errors.append(FieldError("points", "out_of_range", f"must be from 1 to {MAXIMUM_POINTS}"))
    if errors:
        raise Invalid(errors)


def read_values(source_id: int, key: str, start: datetime, end: datetime) -> Points:
    """Unix seconds and values of the measured frames in [start, end), oldest first."""
    frames = Frame.objects.filter(source_id=source_id, at__gte=start, at__lt=end)
    layout_ids = frames.order_by().values_list("layout_id", flat=True).distinct()
    # Plain doubles, row by row: a long range must not become a list of objects.
    flat = array("d")
    for layout in Layout.objects.filter(id__in=list(layout_ids)):
        if key not in layout.keys:
            continue
        measured = (
            frames.filter(layout_id=layout.id)
            .annotate(number=ElementAt("values", layout.keys.index(key)))
            .order_by("at", "seq")
            .values_list("at", "number")
        )
        for at, number in measured.iterator(chunk_size=ROWS_PER_FETCH):
            if number is not None:
                flat.extend((at.timestamp(), number))
    table = np.frombuffer(flat, dtype=np.float64).reshape(-1, 2)
    table = table[np.argsort(table[:, 0], kind="stable")]
    return table[:, 0], table[:, 1]


def describe_buckets(buckets: Buckets, step_seconds: int) -> Series:
    return Series(
        step_seconds=step_seconds,
        at=buckets.start.tolist(),
        count=buckets.count.tolist(),
        minimum=buckets.minimum.tolist(),
        mean=buckets.mean.tolist(),
        maximum=buckets.maximum.tolist(),
        p95=buckets.p95.tolist(),
    )


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


def find_document(client_id: UUID, kind: str, at: datetime | None = None) -> Document | None:
    """The client's newest document of that kind, or its newest until `at`; None without one."""
    rows = Document.objects.filter(
        source__client_id=client_id, source__kind=kind, source__subject=""
    )
    if at is not None:
        rows = rows.filter(at__lte=at)
    return rows.order_by("-at").first()


def get_document(client_id: UUID, kind: str, at: datetime | None = None) -> Document:
    """As `find_document`.

    Raises: NotFound without one, saying since when there are some.
    """
    document = find_document(client_id, kind, at)
    if document is not None:
        return document
    kept = Document.objects.filter(source__client_id=client_id, source__kind=kind)
    oldest = kept.order_by("at").values_list("at", flat=True).first()
    detail = f"This client has sent no {kind} yet."
    if oldest is not None:
        detail = f"The oldest {kind} kept of this client are of {oldest.isoformat()}."
    raise NotFound("document_unknown", detail)


def read_facts(source_id: int) -> dict[str, str]:
    """The facts of a source that hold now."""
    rows = Fact.objects.filter(source_id=source_id).order_by("since")
    return {row.key: row.value for row in rows}
