from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import ModelVersion, Training


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Models are promoted and retired on their page, which writes it to the audit."""

    list_display = ["kind", "scope", "version", "state", "is_provisional", "trained_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["client", "test"]
    search_fields = ["kind", "scope"]


@admin.register(Training)
class TrainingAdmin(ReadOnlyAdmin):
    """Trainings are begun on their page, which writes it to the audit."""

    list_display = ["kind", "scope", "trigger", "state", "created_at", "finished_at"]
    list_filter = ["state", "kind"]
    list_select_related = ["client", "test"]
    search_fields = ["kind", "scope"]
