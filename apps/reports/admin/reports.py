"""Looking at plans and reports; they are made on the pages and through the API."""

from typing import ClassVar

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from apps.accounts.admin import ReadOnlyAdmin
from apps.reports.models import Delivery, Report, ReportFile, ReportPlan
from apps.reports.services.reports.document import build_logo_url


@admin.register(ReportPlan)
class ReportPlanAdmin(ReadOnlyAdmin):
    list_display = ["name", "owner", "template", "period", "cadence", "next_at"]
    list_filter = ["template", "cadence"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username"]
    exclude = ["logo"]
    readonly_fields: ClassVar = ["picture"]

    @admin.display(description=_("logo"), empty_value="-")
    def picture(self, plan: ReportPlan) -> SafeString | None:
        url = build_logo_url(plan.logo)
        return format_html('<img src="{}" alt="" height="52">', url) if url else None


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "plan", "reason", "state", "pages", "size_bytes", "digest"]
    list_filter = ["state", "reason"]
    list_select_related = ["plan"]
    search_fields = ["plan__name", "digest"]


@admin.register(ReportFile)
class ReportFileAdmin(ReadOnlyAdmin):
    list_display = ["report"]
    search_fields = ["report__plan__name"]
    list_select_related = ["report__plan"]
    exclude = ["content"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["report", "recipient", "state", "attempts", "sent_at", "error"]
    list_filter = ["state"]
    list_select_related = ["report__plan"]
    search_fields = ["recipient"]
