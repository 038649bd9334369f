from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import SeriesState, SeriesWatch


@admin.register(SeriesWatch)
class SeriesWatchAdmin(ReadOnlyAdmin):
    list_display = ["source", "is_watched", "judged_until", "stored_until"]
    list_filter = ["is_watched"]
    list_select_related = ["source"]
    search_fields = ["source__client__name", "source__subject"]


@admin.register(SeriesState)
class SeriesStateAdmin(ReadOnlyAdmin):
    exclude = ["state"]
    list_display = ["source", "metric", "values_count"]
    list_select_related = ["source"]
    search_fields = ["source__client__name", "metric"]
