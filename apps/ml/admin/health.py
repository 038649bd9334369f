from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.ml.models import HealthChange, HealthGoal, HealthScore


@admin.register(HealthScore)
class HealthScoreAdmin(ReadOnlyAdmin):
    list_display = ["assignment", "client", "site", "score", "band", "computed_at"]
    search_fields = ["client__name", "site__name", "assignment__test__name"]
    list_filter = ["band"]
    list_select_related = ["assignment__test", "assignment__client", "client", "site"]


@admin.register(HealthChange)
class HealthChangeAdmin(ReadOnlyAdmin):
    list_display = ["subject", "at", "score"]
    search_fields = ["subject__client__name", "subject__assignment__test__name"]
    list_select_related = ["subject"]


@admin.register(HealthGoal)
class HealthGoalAdmin(ReadOnlyAdmin):
    list_display = ["test", "availability_goal_ratio", "latency_good_seconds"]
    search_fields = ["test__name"]
    list_select_related = ["test"]
