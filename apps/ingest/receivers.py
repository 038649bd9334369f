"""Which service takes which kind of record."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from apps.clients.models import Client
from apps.clients.services import apply_inventory
from apps.core.errors import Invalid
from apps.ingest import checks, codec
from apps.ingest.checks import RecordRefused
from apps.ingest.codec import Record
from apps.ingest.structures import DocumentData, FactData, FrameData, ResultData
from apps.metrics.catalogue import explain_refusal, parse_key
from apps.metrics.services import (
    KnownLayout,
    NewDocument,
    NewFrame,
    find_own_source,
    know_layout,
    know_source,
    record_document,
    record_fact,
    record_frames,
)
from apps.metrics.writers import FrameKey
from apps.tests.services import NewResult, mark_running, record_result

OLDEST = timedelta(days=7)
FUTURE = timedelta(hours=24)


@dataclass(slots=True)
class Intake:
    """One batch of one client on its way in, with what its records have in common."""

    client_id: UUID
    received_at: datetime
    layouts: Mapping[str, Sequence[str]]
    # The days that frames can be of; None when that need not be asked.
    kept_days: frozenset[date] | None = None
    stored: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    known_layouts: dict[str, KnownLayout] = field(default_factory=dict)
    known_sources: dict[tuple[str, str], int] = field(default_factory=dict)
    touched_sources: set[int] = field(default_factory=set)

    def answer(self, record_id: str, *, is_new: bool) -> None:
        (self.stored if is_new else self.duplicate).append(record_id)

    def find_layout(self, layout_hash: str) -> KnownLayout:
        if layout_hash not in self.known_layouts:
            checks.check_text(layout_hash, "data.layout")
            keys = self.layouts.get(layout_hash)
            self.known_layouts[layout_hash] = know_layout(layout_hash, keys)
        return self.known_layouts[layout_hash]

    def find_source(self, kind: str, subject: str) -> int:
        """The source's number; an assignment's must be there already, and be this client's."""
        name = (kind, subject)
        if name not in self.known_sources:
            checks.check_text(kind, "data.source.kind")
            checks.check_text(subject, "data.source.subject")
            if kind == "assignment":
                number = find_own_source(self.client_id, kind, subject)
                if number is None:
                    detail = "is no assignment of this client"
                    raise RecordRefused("unknown_assignment", "data.source.subject", detail)
            else:
                number = know_source(self.client_id, kind, subject)
            self.known_sources[name] = number
        return self.known_sources[name]

    def check_moment(self, moment: datetime, name: str) -> None:
        if moment < self.received_at - OLDEST:
            raise RecordRefused("too_old", name, f"{moment.isoformat()} is over 7 days ago")
        if moment > self.received_at + FUTURE:
            raise RecordRefused("in_future", name, f"{moment.isoformat()} is over 24 h ahead")

    def check_day(self, moment: datetime) -> None:
        day = moment.astimezone(UTC).date()
        if self.kept_days and day not in self.kept_days:
            raise RecordRefused("too_old", "at", f"the history of {day} is no longer kept")


def check_frame(intake: Intake, record: Record) -> tuple[NewFrame, UUID | None]:
    """The record as a frame to be stored, and the run it belongs to.

    Raises: RecordRefused or Invalid naming the field.
    """
    data: FrameData = codec.decode_data(record)
    intake.check_moment(record.at, "at")
    intake.check_day(record.at)
    layout = intake.find_layout(data.layout)
    if len(data.values) != len(layout.keys):
        detail = f"has {len(data.values)} values for a layout of {len(layout.keys)} keys"
        raise RecordRefused("layout_length", "data.values", detail)
    check_values(data, layout)
    frame = NewFrame(
        source_id=intake.find_source(data.source.kind, data.source.subject),
        source_kind=data.source.kind,
        source_subject=data.source.subject,
        at=record.at,
        seq=data.seq,
        layout=layout,
        values=tuple(data.values),
        absent=data.absent or None,
    )
    return frame, data.run


def check_values(data: FrameData, layout: KnownLayout) -> None:
    """Raises RecordRefused for a value that is not finite, or missing without a reason."""
    for place in layout.wordy:
        if data.values[place] is not None:
            check_number(layout.keys[place], f"data.values[{place}]")
    if not data.absent and is_all_finite(data.values):
        return
    missing = 0
    for index, value in enumerate(data.values):
        if value is not None:
            checks.check_finite(value, f"data.values[{index}]")
            continue
        missing += 1
        if layout.keys[index] not in data.absent:
            detail = f"{layout.keys[index]} is null without a reason code"
            raise RecordRefused("malformed", f"data.values[{index}]", detail)
    if missing != len(data.absent):
        detail = "names a key that has a value or is unknown"
        raise RecordRefused("malformed", "data.absent", detail)


def is_all_finite(values: Sequence[float | None]) -> bool:
    """Whether every value is surely a finite number; a doubt, such as an overflow, says no."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]  # None is the TypeError below
    except (TypeError, OverflowError):
        return False


def store_frames(
    intake: Intake, frames: Sequence[tuple[Record, NewFrame]], run_ids: set[UUID]
) -> None:
    """Store checked frames in one go; of equal ones in the batch the first counts."""
    new = record_frames(
        client_id=intake.client_id,
        frames=[frame for _record, frame in frames],
        received_at=intake.received_at,
    )
    answer_frames(intake, frames, new)
    intake.touched_sources.update(frame.source_id for _record, frame in frames)
    if run_ids and new:
        earliest = min(at for _source, at, _seq in new)
        mark_running(client_id=intake.client_id, run_ids=run_ids, at=earliest)


def answer_frames(
    intake: Intake, frames: Sequence[tuple[Record, NewFrame]], new: AbstractSet[FrameKey]
) -> None:
    """Say of each frame whether it is one of the new keys; of equal ones the first counts."""
    left = set(new)
    for record, frame in frames:
        key = (frame.source_id, frame.at, frame.seq)
        intake.answer(record.id, is_new=key in left)
        left.discard(key)


def receive_fact(intake: Intake, record: Record) -> bool:
    data: FactData = codec.decode_data(record)
    intake.check_moment(record.at, "at")
    checks.check_text(data.key, "data.key")
    checks.check_text(data.value, "data.value")
    source_id = intake.find_source(data.source.kind, data.source.subject)
    return record_fact(source_id=source_id, key=data.key, value=data.value, since=record.at)


def receive_result(intake: Intake, record: Record) -> bool:
    data: ResultData = codec.decode_data(record)
    for name in ("started_at", "finished_at"):
        intake.check_moment(getattr(data, name), f"data.{name}")
    for key, value in data.values.items():
        check_key(key, "data.values")
        check_number(key, "data.values")
        checks.check_finite(value, f"data.values.{key}")
    for key in data.absent:
        check_key(key, "data.absent")
    checks.check_text(data.reason, "data.reason")
    checks.check_text(data.method, "data.method")
    checks.check_tree(dict(data.facts), "data.facts")
    checks.check_tree(data.document, "data.document")
    result = NewResult(
        run_id=data.run,
        assignment_id=data.assignment,
        slot=data.slot,
        revision=data.revision,
        started_at=data.started_at,
        finished_at=data.finished_at,
        outcome=data.outcome,
        reason=data.reason,
        is_success=data.is_success,
        method=data.method,
        values=data.values,
        absent=data.absent,
        facts=data.facts,
        document=data.document,
    )
    return record_result(client_id=intake.client_id, result=result, received_at=intake.received_at)


def check_key(key: str, name: str) -> None:
    if parse_key(key) is None:
        code, reason = explain_refusal(key)
        raise RecordRefused(code, name, f"{checks.clean_text(key)[:100]!r} {reason}")


def check_number(key: str, name: str) -> None:
    """Raises RecordRefused when the metric of a key of the catalogue is no number."""
    parsed = parse_key(key)
    if parsed is not None and not parsed.metric.is_number:
        detail = f"{key} is a {parsed.metric.kind}, which is no number"
        raise RecordRefused("malformed", name, detail)


def receive_inventory(intake: Intake, record: Record) -> bool:
    codec.decode_data(record)
    inventory = codec.decode_document(record)
    checks.check_tree(inventory, "data")
    apply_inventory(client=Client.objects.get(id=intake.client_id), inventory=inventory)
    return True


def receive_document(intake: Intake, record: Record) -> bool:
    data: DocumentData = codec.decode_data(record)
    intake.check_moment(record.at, "at")
    if (data.source.kind, data.source.subject) != (record.kind, ""):
        detail = f"must be the source {record.kind!r} without a subject"
        raise RecordRefused("malformed", "data.source", detail)
    checks.check_document(data.document, "data.document")
    return record_document(
        client_id=intake.client_id,
        document=NewDocument(
            source_id=intake.find_source(record.kind, ""),
            kind=record.kind,
            at=record.at,
            body=data.document,
        ),
        received_at=intake.received_at,
    )


RECEIVERS = {
    "processes": receive_document,
    "connections": receive_document,
    "fact": receive_fact,
    "result": receive_result,
    "inventory": receive_inventory,
}


def explain_invalid(error: Invalid) -> RecordRefused:
    first = error.errors[0]
    return RecordRefused(first.code, f"data.{first.field}", first.detail)
