from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ingest.models import RefusalCount, RejectedRecord


@admin.register(RejectedRecord)
class RejectedRecordAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "client", "record_id", "code", "field", "detail"]
    list_filter = ["code"]
    list_select_related = ["client"]
    search_fields = ["record_id", "detail", "client__name"]


@admin.register(RefusalCount)
class RefusalCountAdmin(ReadOnlyAdmin):
    list_display = ["client", "code", "count", "last_at"]
    list_filter = ["code"]
    list_select_related = ["client"]
    search_fields = ["client__name"]
