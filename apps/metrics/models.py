import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.clients.models import Client
from apps.metrics.fields import FloatArray


class Source(models.Model):
    """One stream of numbers of a client: its host, one interface, one assignment."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="sources")
    kind = models.CharField(_("kind"), max_length=16)
    subject = models.CharField(_("subject"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["client", "kind", "subject"], name="source_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


class Layout(models.Model):
    """The ordered metric keys of frames; append-only, so a frame needs only its number."""

    hash = models.CharField(max_length=16, unique=True)
    keys: "models.JSONField[list[str], list[str]]" = models.JSONField()

    class Meta:
        verbose_name = _("layout")
        verbose_name_plural = _("layouts")

    def __str__(self) -> str:
        return f"{self.hash} ({len(self.keys)})"


class Frame(models.Model):
    """The values of one source at one moment; its primary key is the duplicate guard.

    On PostgreSQL the table is partitioned by the day of `at` (writers.ensure_partitions).
    """

    pk = models.CompositePrimaryKey("source_id", "at", "seq")
    # The primary key's index leads with the source already.
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(_("time"))
    seq = models.BigIntegerField()
    # Layouts are never deleted, so the database need not check this on every row.
    layout = models.ForeignKey(
        Layout, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    values = FloatArray()
    absent: "models.JSONField[dict[str, str] | None, dict[str, str] | None]" = models.JSONField(
        null=True
    )
    received_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source_id} {self.at.isoformat()}"


class Latest(models.Model):
    """The newest frame of each source by the time it was measured, not by arrival."""

    source = models.OneToOneField(
        Source, on_delete=models.CASCADE, primary_key=True, related_name="latest"
    )
    at = models.DateTimeField()
    seq = models.BigIntegerField()
    layout = models.ForeignKey(
        Layout, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    values = FloatArray()
    absent: "models.JSONField[dict[str, str] | None, dict[str, str] | None]" = models.JSONField(
        null=True
    )

    def __str__(self) -> str:
        return f"{self.source_id} {self.at.isoformat()}"


class Fact(models.Model):
    """A text, set or rare change of a source, and since when it holds."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="facts")
    key = models.CharField(max_length=255)
    value = models.CharField(max_length=1024)
    since = models.DateTimeField()

    class Meta:
        verbose_name = _("fact")
        verbose_name_plural = _("facts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "key", "since"], name="fact_once")
        ]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


class Document(models.Model):
    """What a client's processes or connections were at one moment; kept for an hour."""

    # The unique constraint's index leads with the source already.
    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="documents", db_index=False
    )
    at = models.DateTimeField(_("time"), db_index=True)
    received_at = models.DateTimeField(_("received"))
    body: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "at"], name="document_once")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.at.isoformat()}"


class IngestBatch(models.Model):
    """One committed upload; consumers mark here what they have worked through."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    received_at = models.DateTimeField(db_index=True)
    stored = models.PositiveIntegerField()
    duplicate = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField()
    sources: "models.JSONField[list[int], list[int]]" = models.JSONField(default=list)

    class Meta:
        verbose_name = _("ingest batch")
        verbose_name_plural = _("ingest batches")

    def __str__(self) -> str:
        return f"{self.id} ({self.stored})"


class BatchMark(models.Model):
    """A consumer is done with a batch."""

    batch = models.ForeignKey(IngestBatch, on_delete=models.CASCADE, related_name="marks")
    consumer = models.CharField(max_length=32)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "consumer"], name="batch_mark_once")
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.batch_id}"
