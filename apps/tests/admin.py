"""Looking at tests and what they found; they change through the pages and the API alone.

A change has to take back planned runs and wake agents, which a form of the admin would not do.
"""

from django.contrib import admin

from apps.accounts.admin import ReadOnlyAdmin
from apps.tests.models import (
    Assignment,
    Calendar,
    Quota,
    Reservation,
    Result,
    Run,
    SelectionClock,
    Target,
    Test,
)


@admin.register(Target)
class TargetAdmin(ReadOnlyAdmin):
    list_display = ["address", "created_at"]
    search_fields = ["address"]


@admin.register(Test)
class TestAdmin(ReadOnlyAdmin):
    list_display = [
        "name", "kind", "target", "schedule_kind", "every_seconds", "cron_expression",
        "selection_kind", "wanted_clients", "selection_note", "topology", "hub", "directions",
        "is_paused",
    ]  # fmt: skip
    list_filter = ["kind", "schedule_kind", "selection_kind", "topology", "is_paused"]
    list_select_related = ["target", "hub"]
    search_fields = ["name", "target__address"]


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ["test", "client", "peer", "last_run_at", "last_run_state", "last_is_success"]
    list_filter = ["last_run_state", "last_is_success", "is_paired"]
    list_select_related = ["test", "client", "peer"]
    search_fields = ["test__name", "client__name", "peer__name"]


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = [
        "assignment", "start_at", "state", "reason", "is_on_demand", "is_overlapped",
    ]  # fmt: skip
    list_filter = ["state", "is_on_demand", "is_overlapped"]
    list_select_related = ["assignment__test", "assignment__client", "assignment__peer"]
    search_fields = ["id", "assignment__test__name", "assignment__client__name"]


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = ["client", "start_at", "end_at", "run"]
    list_select_related = [
        "client", "run__assignment__test", "run__assignment__client", "run__assignment__peer",
    ]  # fmt: skip
    search_fields = ["client__name", "run__id"]
    ordering = ["-start_at"]


@admin.register(Calendar)
class CalendarAdmin(ReadOnlyAdmin):
    list_display = ["client"]
    list_select_related = ["client"]
    search_fields = ["client__name"]


@admin.register(Result)
class ResultAdmin(ReadOnlyAdmin):
    list_display = ["run", "received_at", "outcome", "is_success", "reason"]
    list_filter = ["outcome", "is_success"]
    list_select_related = [
        "run__assignment__test", "run__assignment__client", "run__assignment__peer",
    ]  # fmt: skip
    search_fields = ["run__assignment__test__name", "run__assignment__client__name"]
    ordering = ["-received_at"]


@admin.register(Quota)
class QuotaAdmin(ReadOnlyAdmin):
    list_display = ["scope", "user", "client", "tests", "packets_per_second", "megabits_per_second"]
    list_filter = ["scope"]
    list_select_related = ["user", "client"]
    search_fields = ["user__username", "client__name"]


@admin.register(SelectionClock)
class SelectionClockAdmin(ReadOnlyAdmin):
    list_display = ["ticked_at", "settled_at"]
    search_fields = ["id"]
