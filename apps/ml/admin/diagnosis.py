"""Looking at what was diagnosed; a diagnosis is asked for on the pages and through the API."""

from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import Diagnosis


@admin.register(Diagnosis)
class DiagnosisAdmin(ReadOnlyAdmin):
    list_display = ["asked_at", "client", "test", "cause", "confidence", "duration_seconds"]
    list_filter = ["cause"]
    list_select_related = ["client", "test"]
    search_fields = ["client__name", "test__name", "cause"]
