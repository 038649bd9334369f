"""One upload in one transaction: what is answered as stored is committed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F

from apps.core.clock import read_now
from apps.core.crash import pass_point
from apps.core.database import translate_faults
from apps.core.errors import Invalid, Unavailable
from apps.core.storage_state import clear_storage_fault, refuse_without_reserve
from apps.ingest import checks, codec
from apps.ingest.checks import RecordRefused
from apps.ingest.codec import DecodedBatch, Record, Rejection
from apps.ingest.models import RefusalCount, RejectedRecord
from apps.ingest.receivers import (
    RECEIVERS,
    Intake,
    answer_frames,
    check_frame,
    explain_invalid,
    store_frames,
)
from apps.metrics.services import NewFrame, record_batch, record_upload
from apps.metrics.writers import BatchRow, ensure_partitions, list_partition_days

logger = structlog.get_logger(__name__)

# PostgreSQL calls a row that no partition takes a violated check.
PARTITION_MISSING_CODE = "23514"
REJECTED_KEPT_PER_BATCH = 20
# Their number is counted for ever; of a client that sends nothing else so many can be looked at.
REJECTED_KEPT_PER_CLIENT = 1000
REJECTED_LIFE = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of every record of a batch."""

    stored: list[str]
    duplicate: list[str]
    rejected: list[Rejection]

    def as_document(self) -> dict[str, Any]:
        return {
            "stored": self.stored,
            "duplicate": self.duplicate,
            "rejected": [
                {"id": item.id, "code": item.code, "field": item.field, "detail": item.detail}
                for item in self.rejected
            ],
        }


def store_batch(*, client_id: UUID, batch: DecodedBatch) -> Answer:
    """Store every good record of the batch exactly once, and say of each what became of it.

    Raises: Unavailable or StorageFull when the database could not; then nothing was stored.
    """
    refuse_without_reserve()
    received_at = read_now()
    with translate_faults():
        try:
            answer = store_at_once(client_id, batch, received_at)
        except IntegrityError as error:
            if not is_partition_missing(error):
                raise refuse_for_now() from error
            answer = store_what_is_kept(client_id, batch, received_at)
    pass_point("after_commit")
    clear_storage_fault()
    return answer


def store_at_once(
    client_id: UUID,
    batch: DecodedBatch,
    received_at: datetime,
    kept_days: frozenset[date] | None = None,
) -> Answer:
    intake = Intake(client_id, received_at, batch.layouts, kept_days)
    rejected = list(batch.rejected)
    checked = check_records(intake, batch.records, rejected)
    if checked.frames and not (checked.run_ids or checked.others or rejected):
        pass_point("before_commit")
        store_nothing_but_frames(intake, checked.frames)
    else:
        with transaction.atomic():
            store_records(intake, checked, rejected)
            note_batch(intake, rejected)
            pass_point("before_commit")
    return Answer(intake.stored, intake.duplicate, rejected)


def store_what_is_kept(client_id: UUID, batch: DecodedBatch, received_at: datetime) -> Answer:
    """As `store_at_once`, after a day had no partition: made now, or refused as gone for ever."""
    # Its lock then ends with the transaction; a pool may lend the next statement another session.
    with transaction.atomic():
        ensure_partitions(received_at)
    try:
        return store_at_once(client_id, batch, received_at, frozenset(list_partition_days()))
    except IntegrityError as error:
        raise refuse_for_now() from error


def is_partition_missing(error: IntegrityError) -> bool:
    return getattr(error.__cause__, "pgcode", None) == PARTITION_MISSING_CODE


def refuse_for_now() -> Unavailable:
    """For a client that was deleted, or a partition that was dropped, while its batch came in."""
    return Unavailable(
        "conflicting_change", "Something changed meanwhile; send again.", retry_after_seconds=1
    )


@dataclass(slots=True)
class CheckedRecords:
    """What of a batch can be stored: its frames, the runs they belong to, and all others."""

    frames: list[tuple[Record, NewFrame]] = field(default_factory=list)
    run_ids: set[UUID] = field(default_factory=set)
    others: list[Record] = field(default_factory=list)


def check_records(
    intake: Intake, records: list[Record], rejected: list[Rejection]
) -> CheckedRecords:
    checked = CheckedRecords()
    seen: set[str] = set()
    for record in records:
        try:
            check_id(record, seen)
            if record.kind != "frame":
                checked.others.append(record)
                continue
            frame, run_id = check_frame(intake, record)
        except (RecordRefused, Invalid) as error:
            rejected.append(describe_refusal(record, error))
            continue
        checked.frames.append((record, frame))
        if run_id is not None:
            checked.run_ids.add(run_id)
    return checked


def store_records(intake: Intake, checked: CheckedRecords, rejected: list[Rejection]) -> None:
    store_frames(intake, checked.frames, checked.run_ids)
    # Results close runs that the frames before them have opened. Inventory, which locks the client,
    # comes last, because changes of tests lock runs before clients.
    for record in sorted(checked.others, key=lambda record: record.kind == "inventory"):
        store_other(intake, record, rejected)


def check_id(record: Record, seen: set[str]) -> None:
    if record.id in seen:
        raise RecordRefused("malformed", "id", f"{record.id!r} occurs twice in the batch")
    seen.add(record.id)
    checks.check_text(record.id, "id")


def store_other(intake: Intake, record: Record, rejected: list[Rejection]) -> None:
    try:
        receive = find_receiver(record.kind)
        with transaction.atomic():
            is_new = receive(intake, record)
    except (RecordRefused, Invalid) as error:
        rejected.append(describe_refusal(record, error))
        return
    intake.answer(record.id, is_new=is_new)


FUTURE_KINDS = frozenset({"window", "packets", "event", "neighbour"})


def find_receiver(kind: str) -> Callable[[Intake, Record], bool]:
    receive = RECEIVERS.get(kind)
    if receive is None:
        code = "not_supported" if kind in FUTURE_KINDS else "unknown_kind"
        raise RecordRefused(code, "kind", f"{kind!r} is not taken by this server")
    return receive


def describe_refusal(record: Record, error: RecordRefused | Invalid) -> Rejection:
    refusal = explain_invalid(error) if isinstance(error, Invalid) else error
    sample = (
        record.data if isinstance(record.data, dict) else codec.read_loosely(bytes(record.data))
    )
    return Rejection(
        checks.echo_id(record.id),
        refusal.code,
        checks.clean_text(refusal.field)[:255],
        checks.clean_text(refusal.detail)[:512],
        checks.shorten(sample),
    )


def note_batch(intake: Intake, rejected: list[Rejection]) -> None:
    """Write down the batch for its consumers, and a few of its refused records for people."""
    record_batch(
        describe_batch(intake, len(rejected)),
        stored=len(intake.stored),
        duplicate=len(intake.duplicate),
    )
    if not rejected:
        return
    count_refusals(intake, rejected)
    forget_rejected(intake)
    RejectedRecord.objects.bulk_create(
        RejectedRecord(
            client_id=intake.client_id,
            received_at=intake.received_at,
            record_id=checks.clean_text(item.id),
            code=item.code,
            field=item.field,
            detail=item.detail,
            sample=item.sample,
        )
        for item in rejected[:REJECTED_KEPT_PER_BATCH]
    )
    logger.warning("records_rejected", client=str(intake.client_id), count=len(rejected))


def forget_rejected(intake: Intake) -> None:
    """Forget the client's refused records of two weeks ago, and its oldest beyond a thousand."""
    kept = RejectedRecord.objects.filter(client_id=intake.client_id)
    kept.filter(received_at__lt=intake.received_at - REJECTED_LIFE).delete()
    newest = kept.order_by("-id").values_list("id", flat=True)
    beyond = newest[REJECTED_KEPT_PER_CLIENT - REJECTED_KEPT_PER_BATCH :].first()
    if beyond is not None:
        kept.filter(id__lte=beyond).delete()


def store_nothing_but_frames(intake: Intake, frames: list[tuple[Record, NewFrame]]) -> None:
    """As `store_records` and `note_batch`, which this leaves nothing to do."""
    intake.touched_sources.update(frame.source_id for _record, frame in frames)
    new = record_upload(
        batch=describe_batch(intake, rejected=0), frames=[frame for _record, frame in frames]
    )
    answer_frames(intake, frames, new)


def describe_batch(intake: Intake, rejected: int) -> BatchRow:
    return BatchRow(
        client_id=intake.client_id,
        received_at=intake.received_at,
        rejected=rejected,
        sources=sorted(intake.touched_sources),
    )


def count_refusals(intake: Intake, rejected: list[Rejection]) -> None:
    """Add to what was ever refused of the client, by reason."""
    counts = sorted(Counter(item.code for item in rejected).items())
    rows = [
        RefusalCount(client_id=intake.client_id, code=code, last_at=intake.received_at)
        for code, _count in counts
    ]
    RefusalCount.objects.bulk_create(rows, ignore_conflicts=True)
    for code, count in counts:
        RefusalCount.objects.filter(client_id=intake.client_id, code=code).update(
            count=F("count") + count, last_at=intake.received_at
        )
