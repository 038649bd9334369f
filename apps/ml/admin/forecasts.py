from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import Forecast


@admin.register(Forecast)
class ForecastAdmin(ReadOnlyAdmin):
    list_display = ["source", "metric", "verdict", "full_at", "margin", "refusal", "made_at"]
    list_filter = ["verdict", "refusal", "metric"]
    list_select_related = ["source"]
    search_fields = ["metric", "source__client__name"]
