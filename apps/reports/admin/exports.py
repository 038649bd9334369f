"""Looking at exports; they are made and deleted on their page and through the API."""

from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.reports.models import Export


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "file_name", "requested_by", "row_count", "size_bytes"]
    list_filter = ["dataset", "format"]
    list_select_related = ["requested_by"]
    search_fields = ["dataset", "requested_by__username"]
