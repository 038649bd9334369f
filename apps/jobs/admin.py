from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.jobs.models import Job


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs are tried again and discarded on their page, which writes it to the audit."""

    list_display = ["kind", "key", "queue", "state", "attempts", "created_at", "finished_at"]
    list_filter = ["state", "queue", "kind"]
    list_select_related = ["requested_by"]
    search_fields = ["kind", "key"]
