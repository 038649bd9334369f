from apps.reports.services.reports.delivering import resend
from apps.reports.services.reports.document import ask_question, build_document
from apps.reports.services.reports.forgetting import forget_reports
from apps.reports.services.reports.making import (
    ask_report,
    delete_report,
    make_due_reports,
    remake_report,
)
from apps.reports.services.reports.plans import (
    LARGEST_LOGO_BYTES,
    PlanDefinition,
    change_logo,
    change_plan,
    check_plan,
    create_plan,
    delete_plan,
    draft_plan,
)
from apps.reports.services.reports.settling import settle_reports

__all__ = [
    "LARGEST_LOGO_BYTES",
    "PlanDefinition",
    "ask_question",
    "ask_report",
    "build_document",
    "change_logo",
    "change_plan",
    "check_plan",
    "create_plan",
    "delete_plan",
    "delete_report",
    "draft_plan",
    "forget_reports",
    "make_due_reports",
    "remake_report",
    "resend",
    "settle_reports",
]
