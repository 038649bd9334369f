"""Forgetting what is older than it has to be kept, in slices that hold no lock for long."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from apps.configuration.selectors import read_settings, read_whole
from apps.core.clock import EPOCH
from apps.metrics.algorithms.tiers import (
    DAY_SECONDS,
    FIVE_MINUTES_SECONDS,
    HOUR_SECONDS,
    WEEK_SECONDS,
    floor_day,
)
from apps.metrics.models import (
    Arrival,
    BatchMark,
    DirtyBucket,
    Document,
    Fact,
    IngestBatch,
    Source,
)
from apps.metrics.services.rollups import sort_known_arrivals
from apps.metrics.writers import (
    delete_frames,
    delete_rollups,
    delete_strips,
    drop_partition,
    ensure_partitions,
    list_droppable_days,
)

logger = structlog.get_logger(__name__)

BUDGET_SECONDS = 2.0
RAW_SETTING = "raw_retention_days"
ROLLUP_SETTINGS = {
    FIVE_MINUTES_SECONDS: "five_minute_retention_days",
    HOUR_SECONDS: "hour_retention_days",
    DAY_SECONDS: "day_retention_days",
}
BATCH_LIFE = timedelta(days=8)
BATCHES_PER_TRANSACTION = 1000
DOCUMENT_LIFE = timedelta(hours=1)
DOCUMENTS_PER_TRANSACTION = 200
FACTS_PER_TRANSACTION = 500


def forget_documents(now: datetime) -> int:
    """How many documents over an hour old were forgotten; each source keeps its newest."""
    forgotten = 0
    while count := forget_some_documents(now - DOCUMENT_LIFE):
        forgotten += count
    return forgotten


@transaction.atomic
def forget_some_documents(before: datetime) -> int:
    newer = Document.objects.filter(source=OuterRef("source"), at__gt=OuterRef("at"))
    old = Document.objects.filter(Exists(newer), at__lt=before).order_by("at")
    ids = list(old.values_list("id", flat=True)[:DOCUMENTS_PER_TRANSACTION])
    Document.objects.filter(id__in=ids).delete()
    return len(ids)


def forget_facts(now: datetime) -> int:
    """How many facts were forgotten: those that others had replaced before the setting's days."""
    before = now - timedelta(days=read_whole("fact_retention_days"))
    forgotten = 0
    while count := forget_some_facts(before):
        forgotten += count
    return forgotten


@transaction.atomic
def forget_some_facts(before: datetime) -> int:
    later = Fact.objects.filter(
        source=OuterRef("source"), key=OuterRef("key"), since__gt=OuterRef("since")
    )
    old = Fact.objects.filter(Exists(later.filter(since__lte=before)), since__lt=before)
    ids = list(old.values_list("id", flat=True)[:FACTS_PER_TRANSACTION])
    Fact.objects.filter(id__in=ids).delete()
    return len(ids)


def prepare_storage(now: datetime) -> None:
    """Make the coming days' partitions, and forget batches that no consumer needs any more."""
    ensure_partitions(now)
    while forget_batches(now - BATCH_LIFE):
        pass


@transaction.atomic
def forget_batches(before: datetime) -> int:
    """How many batches were forgotten: a slice, so that no lock is held for long."""
    old = IngestBatch.objects.filter(received_at__lt=before).order_by("received_at")
    ids = list(old.values_list("id", flat=True)[:BATCHES_PER_TRANSACTION])
    BatchMark.objects.filter(batch_id__in=ids).delete()
    IngestBatch.objects.filter(id__in=ids).delete()
    return len(ids)


def forget_history(*, now: datetime, budget_seconds: float = BUDGET_SECONDS) -> int:
    """How many partitions and slices of rows older than their settings say were forgotten.

    Whole UTC days go. After about `budget_seconds` the rest is left for the next call. Frames that
    a rollup does not know yet are kept until it does. Not inside a transaction.
    """
    end = time.monotonic() + budget_seconds
    days = read_settings([RAW_SETTING, *ROLLUP_SETTINGS.values()])
    cuts = {name: floor_day(now - timedelta(days=int(str(kept)))) for name, kept in days.items()}
    before = find_forgettable(cuts[RAW_SETTING], now)
    forgotten = forget_partitions(before)
    for delete_slice in list_slices(cuts, before):
        while time.monotonic() < end and delete_slice():
            forgotten += 1
    return forgotten


def find_forgettable(cut: datetime, now: datetime) -> datetime:
    """Until when frames may be forgotten: `cut`, or before the first day with a dirty bucket."""
    newest = sort_known_arrivals(now)
    if Arrival.objects.filter(id__lte=newest).exists():
        # Another worker is at them, and what they make dirty is not known yet.
        return EPOCH
    # Weeks are laid out of rollups, and need no frames.
    dirty = DirtyBucket.objects.filter(at__lt=cut, step__in=ROLLUP_SETTINGS).order_by("at")
    oldest = dirty.values_list("at", flat=True).first()
    if oldest is None:
        return cut
    logger.warning("frames_kept_for_rollups", since=oldest.isoformat())
    return floor_day(oldest)


def forget_partitions(before: datetime) -> int:
    """How many partitions of days before then were dropped; one that is in use ends the turn."""
    dropped = 0
    for day in list_droppable_days():
        if day < before.date():
            if not drop_partition(day):
                break
            dropped += 1
    return dropped


def list_slices(cuts: dict[str, datetime], before: datetime) -> Iterator[Callable[[], int]]:
    """What deletes a slice each time it is called, and returns 0 when nothing is left."""
    for step, setting in ROLLUP_SETTINGS.items():
        yield partial(delete_rollups, step, cuts[setting])
    weeks_end_before = cuts[ROLLUP_SETTINGS[HOUR_SECONDS]]
    yield partial(delete_strips, weeks_end_before - timedelta(seconds=WEEK_SECONDS))
    if connection.vendor != "postgresql":
        for source_id in Source.objects.order_by("id").values_list("id", flat=True):
            yield partial(delete_frames, source_id, before)
