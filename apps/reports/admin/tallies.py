from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.reports.models import DayTally, TallyClock


@admin.register(DayTally)
class DayTallyAdmin(ReadOnlyAdmin):
    list_display = ["assignment", "day", "good", "bad", "unknown"]
    list_select_related = ["assignment__test", "assignment__client"]
    search_fields = ["assignment__test__name", "assignment__client__name"]
    date_hierarchy = "day"


@admin.register(TallyClock)
class TallyClockAdmin(ReadOnlyAdmin):
    list_display = ["kept_until", "looked_at"]
    search_fields = ["kept_until"]
