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
    # Whose agent sent it first. No foreign key, because a layout outlives that client.
    brought_by = models.UUIDField(_("brought by"), null=True, blank=True, db_index=True)

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


class Rollup(models.Model):
    """What the values of a source's layout were within a bucket of five minutes, hour or UTC day.

    Every column runs parallel to the layout's keys and is computed from the frames themselves. When
    the frames of a bucket have several layouts, all values of a key stand in one row alone; in the
    others its count is 0 and the rest None, as where nothing was measured.
    """

    pk = models.CompositePrimaryKey("source_id", "step", "at", "layout_id")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Seconds: 300, 3,600 or 86,400.
    step = models.IntegerField()
    at = models.DateTimeField(_("begin"))
    layout = models.ForeignKey(
        Layout, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    count = FloatArray()
    minimum = FloatArray()
    mean = FloatArray()
    maximum = FloatArray()
    p50 = FloatArray()
    p95 = FloatArray()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["step", "at"], name="rollup_by_age")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.step} s {self.at.isoformat()}"


class HourStrip(models.Model):
    """The hours of one key of a source in one week, side by side: what a chart of months reads.

    A second form of the hourly rollups, made of nothing else (algorithms/strips.py). The row of the
    empty key says that the week is laid out: then all hours it has of any key stand in strips. A
    week whose hours change loses all its rows together with the change, and its rollups are read.
    """

    pk = models.CompositePrimaryKey("source_id", "key", "at")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255, blank=True)
    # Weeks are counted from 1970 on, so they begin on Thursdays.
    at = models.DateTimeField(_("begin"))
    numbers = models.BinaryField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["at", "source"], name="strip_by_age")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.key} {self.at.isoformat()}"


class Arrival(models.Model):
    """Which five minutes of which sources an upload brought new frames for.

    Written with the frames and never changed, so that no upload waits for another or for a
    worker; `sort_arrivals` turns it into dirty buckets and deletes it.
    """

    # By source (JSON makes the number a text): the numbers of the five minutes since 1970.
    slots: "models.JSONField[dict[str, list[int]], dict[str, list[int]]]" = models.JSONField()

    def __str__(self) -> str:
        return f"{self.pk}: {len(self.slots)} sources"


class DirtyBucket(models.Model):
    """A bucket that has frames its rollup does not know yet.

    `revision` grows with each arrival: who recomputed the bucket removes the row only if it is
    still of the revision that was read. `claimed_until` keeps two workers from the same work.
    """

    # No constraint: the source may be deleted meanwhile, and then there is nothing to compute.
    source = models.ForeignKey(
        Source, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    step = models.IntegerField()
    at = models.DateTimeField()
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField()
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "step", "at"], name="dirty_bucket_once")
        ]
        indexes: ClassVar = [models.Index(fields=["step", "due_at"], name="dirty_bucket_due")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.step} s {self.at.isoformat()}"


class ClockMark(models.Model):
    """The one row that says when the server's clock was last read, and since when it runs evenly.

    What forgets by age asks it first: a clock that jumped ahead makes everything look old.
    """

    read_at = models.DateTimeField()
    steady_since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.read_at.isoformat()}, steady since {self.steady_since.isoformat()}"
