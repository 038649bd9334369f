"""Storing what agents measured."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count

from apps.core.bus import publish
from apps.core.errors import FieldError, Invalid
from apps.metrics.catalogue import explain_refusal, parse_key
from apps.metrics.models import Document, Fact, Layout, Source
from apps.metrics.published import DocumentRecorded, FramesRecorded, RecordedFrame
from apps.metrics.writers import (
    BatchRow,
    FrameKey,
    FrameRow,
    insert_batch,
    insert_frames,
    insert_upload,
    record_news,
)

DOCUMENT_KINDS = ("processes", "connections")
SOURCE_KINDS = frozenset(
    {
        "host", "cpu", "interface", "filesystem", "disk", "hardware", "agent", "assignment",
        "network", "wifi", "plugin",
        *DOCUMENT_KINDS,
    }
)  # fmt: skip
MAXIMUM_SOURCES = 1024
MAXIMUM_KEYS = 256
HASH_LENGTH = 16
CACHE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """A layout as the writers need it, kept in the process between requests.

    `wordy` are the places of texts and histograms, which may only be absent in a frame.
    """

    id: int
    keys: tuple[str, ...]
    wordy: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NewFrame:
    """A checked frame of one client."""

    source_id: int
    source_kind: str
    source_subject: str
    at: datetime
    seq: int
    layout: KnownLayout
    values: tuple[float | None, ...]
    absent: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A checked document of one client."""

    source_id: int
    kind: str
    at: datetime
    body: dict[str, Any]


def hash_layout(keys: Sequence[str]) -> str:
    """The first 16 hex digits of the SHA-256 of the keys joined by line feeds (docs/wire.md)."""
    return hashlib.sha256("\n".join(keys).encode("utf-8", "replace")).hexdigest()[:HASH_LENGTH]


def know_layout(layout_hash: str, keys: Sequence[str] | None) -> KnownLayout:
    """The stored layout of that hash; made from `keys` when it is new.

    Raises: Invalid(unknown_layout | layout_length | unknown_metric | malformed).
    """
    known: KnownLayout | None = cache.get(f"layout:{layout_hash}")
    if known is not None:
        return known
    row = Layout.objects.filter(hash=layout_hash).first()
    if row is None:
        check_layout(layout_hash, keys)
        row, _made = Layout.objects.get_or_create(
            hash=layout_hash, defaults={"keys": list(keys or ())}
        )
    known = KnownLayout(row.id, tuple(row.keys), find_wordy(row.keys))
    remember(f"layout:{layout_hash}", known)
    return known


def find_wordy(keys: Sequence[str]) -> tuple[int, ...]:
    """Which of the keys mean metrics that are no numbers."""
    parsed = enumerate(map(parse_key, keys))
    return tuple(place for place, key in parsed if key is not None and not key.metric.is_number)


def remember(name: str, value: object) -> None:
    """Keep `value` in this process once it is committed: a roll-back must leave nothing behind."""
    transaction.on_commit(lambda: cache.set(name, value, CACHE_SECONDS))


def check_layout(layout_hash: str, keys: Sequence[str] | None) -> None:
    if keys is None:
        raise refuse(
            "layout", "unknown_layout", f"layout {layout_hash!r} is neither known nor in the batch"
        )
    if not 1 <= len(keys) <= MAXIMUM_KEYS:
        raise refuse(
            "layout", "layout_length", f"must have 1 to {MAXIMUM_KEYS} keys, has {len(keys)}"
        )
    for key in keys:
        if parse_key(key) is None:
            code, reason = explain_refusal(key)
            raise refuse("layout", code, f"{key[:100]!r} {reason}")
    if len(set(keys)) != len(keys) or hash_layout(keys) != layout_hash:
        raise refuse(
            "layout", "malformed", "keys repeat, or do not have the hash they are named by"
        )


def refuse(field: str, code: str, detail: str) -> Invalid:
    return Invalid([FieldError(field, code, detail)], code=code)


def know_source(client_id: UUID, kind: str, subject: str) -> int:
    """The number of the client's source; made when it is new.

    Raises: Invalid for an unknown kind, or when the client has 1,024 sources already.
    """
    name = f"source:{client_id}:{hash_layout([kind, subject])}"
    known: int | None = cache.get(name)
    if known is None:
        known = find_own_source(client_id, kind, subject)
        if known is None:
            check_source(client_id, kind)
            row, _made = Source.objects.get_or_create(
                client_id=client_id, kind=kind, subject=subject
            )
            known = row.id
        remember(name, known)
    return known


def find_own_source(client_id: UUID, kind: str, subject: str) -> int | None:
    """The number of the client's source of that name; None when it has none."""
    rows = Source.objects.filter(client_id=client_id, kind=kind, subject=subject)
    return next(iter(rows.order_by().values_list("id", flat=True)), None)


def check_source(client_id: UUID, kind: str) -> None:
    if kind not in SOURCE_KINDS:
        allowed = ", ".join(sorted(SOURCE_KINDS))
        raise refuse("source.kind", "malformed", f"must be one of {allowed}")
    if Source.objects.filter(client_id=client_id).count() >= MAXIMUM_SOURCES:
        raise refuse("source", "out_of_range", f"a client has at most {MAXIMUM_SOURCES} sources")


def know_sources(*, kind: str, subjects: Mapping[UUID, UUID]) -> dict[UUID, int]:
    """The number of each source by its subject, made where it is new; a few queries in all.

    `subjects` says whose client's source each subject names.
    Raises: Invalid for an unknown kind, or naming a client that has 1,024 sources already.
    """
    if not subjects:
        return {}
    if kind not in SOURCE_KINDS:
        raise refuse("source.kind", "malformed", f"{kind!r} is no kind of source")
    rows = Source.objects.filter(
        client_id__in=set(subjects.values()),
        kind=kind,
        subject__in=[str(subject) for subject in subjects],
    ).order_by()
    known = set(rows.values_list("subject", flat=True))
    new = {subject: owner for subject, owner in subjects.items() if str(subject) not in known}
    full = (
        Source.objects.filter(client_id__in=set(new.values()))
        .order_by()
        .values("client__name")
        .annotate(count=Count("id"))
        .filter(count__gte=MAXIMUM_SOURCES)
    )
    for row in full[:1]:
        detail = (
            f"client {row['client__name']} has {MAXIMUM_SOURCES} sources, the most there may be"
        )
        raise refuse("source", "out_of_range", detail)
    Source.objects.bulk_create(
        [Source(client_id=owner, kind=kind, subject=str(name)) for name, owner in new.items()],
        ignore_conflicts=True,
    )
    return {UUID(subject): number for subject, number in rows.values_list("subject", "id")}


def record_frames(
    *, client_id: UUID, frames: Sequence[NewFrame], received_at: datetime
) -> set[FrameKey]:
    """The keys of the frames that were new; the others were stored before.

    Runs in the caller's transaction.
    """
    if not frames:
        return set()
    by_key = sort_frames(frames)
    new = insert_frames([row for row, _frame in by_key.values()], received_at)
    stored = [pair for key, pair in by_key.items() if key in new]
    record_news([row for row, _frame in stored])
    publish_frames(client_id, stored)
    return new


def record_upload(*, batch: BatchRow, frames: Sequence[NewFrame]) -> set[FrameKey]:
    """As `record_frames`, for a batch of nothing but these frames, with its own row, at once.

    All of it is stored or nothing is; no transaction need be open.
    """
    by_key = sort_frames(frames)
    rows = [row for row, _frame in by_key.values()]
    new = insert_upload(rows, batch, sent=len(frames))
    publish_frames(batch.client_id, [pair for key, pair in by_key.items() if key in new])
    return new


def sort_frames(frames: Iterable[NewFrame]) -> dict[FrameKey, tuple[FrameRow, NewFrame]]:
    """The frames with their rows; of equal ones the first.

    In the order of their keys, so that two uploads never wait for each other in a circle.
    """
    by_key: dict[FrameKey, tuple[FrameRow, NewFrame]] = {}
    for frame in frames:
        row = FrameRow(
            source_id=frame.source_id,
            at=frame.at,
            seq=frame.seq,
            layout_id=frame.layout.id,
            values=frame.values,
            absent=frame.absent,
        )
        by_key.setdefault(row.key, (row, frame))
    return {key: by_key[key] for key in sorted(by_key)}


def publish_frames(client_id: UUID, stored: Iterable[tuple[FrameRow, NewFrame]]) -> None:
    recorded = tuple(
        RecordedFrame(
            source_id=row.source_id,
            source_kind=frame.source_kind,
            source_subject=frame.source_subject,
            at=row.at,
            seq=row.seq,
            keys=frame.layout.keys,
            values=row.values,
        )
        for row, frame in stored
    )
    if recorded:
        publish(FramesRecorded(client_id, recorded))


def record_fact(*, source_id: int, key: str, value: str, since: datetime) -> bool:
    """Whether the fact was new: a value that already held at that time is not stored again."""
    before = (
        Fact.objects.filter(source_id=source_id, key=key, since__lte=since)
        .order_by("-since")
        .first()
    )
    if before is not None and before.value == value:
        return False
    _row, is_new = Fact.objects.get_or_create(
        source_id=source_id, key=key, since=since, defaults={"value": value}
    )
    return is_new


def record_document(*, client_id: UUID, document: NewDocument, received_at: datetime) -> bool:
    """Whether the document was new: a source has one at a time.

    Runs in the caller's transaction.
    """
    _row, is_new = Document.objects.get_or_create(
        source_id=document.source_id,
        at=document.at,
        defaults={"body": document.body, "received_at": received_at},
    )
    if is_new:
        publish(DocumentRecorded(client_id, document.kind, document.at))
    return is_new


def record_batch(batch: BatchRow, *, stored: int, duplicate: int) -> None:
    """Write down a committed upload for its consumers. Runs in the caller's transaction."""
    insert_batch(batch, stored=stored, duplicate=duplicate)
