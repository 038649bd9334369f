from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import Feedback, Finding


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    list_display = ["kind", "severity", "client", "test", "metric", "cause", "started_at", "score"]
    list_filter = ["kind", "severity", "is_provisional", "cause"]
    list_select_related = ["client", "test"]
    search_fields = ["client__name", "test__name", "metric"]
    date_hierarchy = "started_at"


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ["verdict", "cause", "finding", "diagnosis", "said_by", "said_at"]
    list_filter = ["verdict", "cause"]
    list_select_related = ["finding", "diagnosis", "said_by"]
    search_fields = ["note", "said_by__username"]
