"""Forgetting what is older than it has to be kept, in slices that hold no lock for long."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from apps.metrics.models import BatchMark, Document, IngestBatch
from apps.metrics.writers import ensure_partitions

BATCH_LIFE = timedelta(days=8)
BATCHES_PER_TRANSACTION = 1000
DOCUMENT_LIFE = timedelta(hours=1)
DOCUMENTS_PER_TRANSACTION = 200


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
