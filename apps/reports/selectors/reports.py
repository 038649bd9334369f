"""Plans and reports as somebody may see them: their own, and all for who administers everything."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.accounts.models import AuditEntry, User
from apps.accounts.policy import AnyUser, Permission
from apps.accounts.selectors import administers_everything
from apps.core.errors import Conflict, NotFound
from apps.reports.algorithms.pictures import find_media_type
from apps.reports.models import Delivery, Report, ReportPlan
from apps.reports.selectors.exports import describe_scope


def list_plans(user: AnyUser) -> QuerySet[ReportPlan]:
    """The plans that `user` sees, each with `has_logo`; the picture is read when asked for."""
    rows = ReportPlan.objects.select_related("owner").defer("logo")
    rows = rows.annotate(has_logo=Q(logo__isnull=False))
    if administers_everything(user):
        return rows
    return rows.filter(owner=user) if isinstance(user, User) else rows.none()


def get_plan(user: AnyUser, plan_id: UUID | str) -> ReportPlan:
    """One plan.

    Raises: NotFound when there is none, or none of `user`.
    """
    plan = list_plans(user).filter(id=plan_id).first()
    if plan is None:
        raise NotFound("report_plan_unknown", "There is no such report plan.")
    return plan


def read_logo(plan: ReportPlan) -> tuple[bytes, str]:
    """The picture and its media type.

    Raises: NotFound when there is none.
    """
    content = bytes(plan.logo or b"")
    kind = find_media_type(content)
    if not kind:
        raise NotFound("report_plan_without_logo", "This report plan has no logo.")
    return content, kind


def list_reports(user: AnyUser) -> QuerySet[Report]:
    """The reports of the plans that `user` sees, newest first, with their deliveries."""
    rows = Report.objects.select_related("plan__owner").defer("plan__logo")
    return rows.filter(plan__in=list_plans(user).order_by().values("id")).prefetch_related(
        "deliveries"
    )


def get_report(user: AnyUser, report_id: UUID | str) -> Report:
    """One report.

    Raises: NotFound when there is none, or none of `user`.
    """
    report = list_reports(user).filter(id=report_id).first()
    if report is None:
        raise NotFound("report_unknown", "There is no such report.")
    return report


def count_open_reports(owner: User) -> int:
    """How many reports of the owner's plans that somebody asked for are not finished."""
    rows = Report.objects.filter(plan__owner=owner, state__in=Report.OPEN)
    return rows.exclude(reason=Report.Reason.SCHEDULED).count()


def list_mailed_by_hand(user: User, address: str, *, since: datetime) -> QuerySet[AuditEntry]:
    """Since then, the newest first: each time `user` had a report sent to the address.

    Of the audit: what was sent stays sent when its report or plan is deleted.
    """
    rows = AuditEntry.objects.filter(object_type="report", actor=user, after__recipient=address)
    return rows.filter(at__gt=since).order_by("-at")


def read_file(report: Report) -> bytes:
    """The PDF.

    Raises: NotFound while there is none, Conflict as `require_rights`.
    """
    file = getattr(report, "file", None)
    if file is None:
        raise NotFound("report_not_ready", "This report has no file.")
    require_rights(report)
    return bytes(file.content)


def require_rights(report: Report) -> None:
    """Nothing, when a made report may still be handed out and sent.

    Raises: Conflict when its owner's rights are others by now.
    """
    if describe_scope(report.plan.owner, Permission.VIEW) != report.scope:
        raise Conflict(
            "report_outdated", "The rights of its owner have changed since; make a new report."
        )


def get_delivery(user: AnyUser, delivery_id: int, *, report_id: UUID | None = None) -> Delivery:
    """One delivery, of that report if one is named.

    Raises: NotFound when there is none, or none of a report of `user`.
    """
    rows = Delivery.objects.select_related("report__plan__owner")
    if report_id is not None:
        rows = rows.filter(report_id=report_id)
    row = rows.filter(
        id=delivery_id, report__plan__in=list_plans(user).order_by().values("id")
    ).first()
    if row is None:
        raise NotFound("delivery_unknown", "There is no such delivery.")
    return row
