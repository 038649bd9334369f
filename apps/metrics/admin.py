"""Looking at what is stored, but for frames and rollups: the admin takes no composite keys."""

from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.metrics.models import (
    Arrival,
    BatchMark,
    ClockMark,
    DirtyBucket,
    Document,
    Fact,
    IngestBatch,
    Latest,
    Layout,
    Source,
)


@admin.register(Source)
class SourceAdmin(ReadOnlyAdmin):
    list_display = ["client", "kind", "subject"]
    list_filter = ["kind"]
    list_select_related = ["client"]
    search_fields = ["client__name", "subject"]


@admin.register(Layout)
class LayoutAdmin(ReadOnlyAdmin):
    list_display = ["hash", "keys", "brought_by"]
    search_fields = ["hash"]


@admin.register(Latest)
class LatestAdmin(ReadOnlyAdmin):
    list_display = ["source", "at", "seq", "layout"]
    list_select_related = ["source", "layout"]
    search_fields = ["source__client__name", "source__subject"]


@admin.register(Fact)
class FactAdmin(ReadOnlyAdmin):
    list_display = ["source", "key", "value", "since"]
    list_select_related = ["source"]
    search_fields = ["source__client__name", "key", "value"]


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = ["source", "at", "received_at"]
    list_select_related = ["source__client"]
    search_fields = ["source__client__name", "source__kind"]
    ordering = ["-at"]


@admin.register(IngestBatch)
class IngestBatchAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "client", "stored", "duplicate", "rejected"]
    list_select_related = ["client"]
    search_fields = ["client__name"]
    ordering = ["-received_at"]


@admin.register(BatchMark)
class BatchMarkAdmin(ReadOnlyAdmin):
    list_display = ["batch", "consumer"]
    list_select_related = ["batch"]
    search_fields = ["consumer"]


@admin.register(Arrival)
class ArrivalAdmin(ReadOnlyAdmin):
    list_display = ["id", "slots"]
    search_fields = ["slots"]


@admin.register(DirtyBucket)
class DirtyBucketAdmin(ReadOnlyAdmin):
    list_display = ["source_id", "step", "at", "due_at", "claimed_until", "revision"]
    list_filter = ["step"]
    search_fields = ["source__client__name", "source__subject"]
    ordering = ["due_at"]


@admin.register(ClockMark)
class ClockMarkAdmin(ReadOnlyAdmin):
    list_display = ["read_at", "steady_since"]
    search_fields = ["read_at"]
