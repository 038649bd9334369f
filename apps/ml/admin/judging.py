from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import JudgingMark


@admin.register(JudgingMark)
class JudgingMarkAdmin(ReadOnlyAdmin):
    """Moved by the worker that judges."""

    list_display = ["kind", "judged_until"]
    search_fields = ["kind"]
