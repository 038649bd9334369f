"""Reports: plans, the form with its live preview, and what was made and sent."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, Refused, TooManyRequests
from apps.dashboard.forms.reports import ReportForm, describe_report_form, propose_report
from apps.dashboard.topics import PAPERS
from apps.dashboard.views.access import PageRequest, page
from apps.reports.models import ReportPlan
from apps.reports.selectors.reports import (
    get_delivery,
    get_plan,
    get_report,
    list_plans,
    list_reports,
    read_file,
)
from apps.reports.services import reports
from apps.reports.services.reports import PlanDefinition

SHOWN = 50
# What of a plan no reader sees, as a plan has it that is never sent.
UNSEEN: Mapping[str, object] = {
    "cadence": ReportPlan.Cadence.NEVER,
    "hour": 0,
    "weekday": 0,
    "month_day": 1,
    "recipients": [],
}


@require_GET
@page(Permission.VIEW)
def list_reports_page(request: PageRequest) -> HttpResponse:
    context = {
        "plans": list_plans(request.user),
        "reports": list_reports(request.user)[:SHOWN],
        "topics": [PAPERS],
    }
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}reports.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.VIEW)
def make_plan(request: PageRequest) -> HttpResponse:
    initial = propose_report(
        {
            "clients": request.GET.getlist("client"),
            "tests": request.GET.getlist("test"),
            "sites": request.GET.getlist("site"),
        }
    )
    form = build_form(request, initial)
    if not form.is_valid():
        return render_form(request, form)
    try:
        plan = reports.create_plan(form.build_definition(), owner=request.user)
    except (Conflict, Invalid, Refused) as error:
        form.take_errors(error)
        return render_form(request, form)
    messages.success(request, _("The report is set up."))
    return redirect("dashboard:report-plan", plan_id=plan.id)


@require_http_methods(["GET", "POST"])
@page(Permission.VIEW)
def edit_plan(request: PageRequest, plan_id: UUID) -> HttpResponse:
    plan = get_plan(request.user, plan_id)
    form = build_form(request, describe_report_form(plan))
    if not form.is_valid():
        return render_form(request, form, plan)
    try:
        reports.change_plan(plan=plan, definition=form.build_definition())
    except (Invalid, Refused) as error:
        form.take_errors(error)
        return render_form(request, form, plan)
    messages.success(request, _("Saved."))
    return redirect("dashboard:report-plan", plan_id=plan.id)


def build_form(request: PageRequest, initial: dict[str, object]) -> ReportForm:
    is_sent = request.method == "POST"
    return ReportForm(
        request.POST if is_sent else None,
        request.FILES if is_sent else None,
        user=request.user,
        initial=initial,
    )


def render_form(
    request: PageRequest, form: ReportForm, plan: ReportPlan | None = None
) -> HttpResponse:
    status = 422 if form.errors else 200
    context = {"form": form, "plan": plan, "is_logo_lost": bool(form.errors and request.FILES)}
    return render(request, "dashboard/report_form.html", context, status=status)


@require_POST
@page(Permission.VIEW)
def preview_report(request: PageRequest) -> HttpResponse:
    """The report as the form stands, by the template that is printed; nothing is stored."""
    form = ReportForm(request.POST, request.FILES, user=request.user)
    # Nothing of when and to whom is seen in it, so it need not be right yet.
    for name in ("name", *UNSEEN):
        form.fields[name].required = False
    context: dict[str, object] = {
        "problems": [
            one for name, found in form.errors.items() for one in found if name not in UNSEEN
        ]
    }
    if not context["problems"]:
        form.cleaned_data |= {**UNSEEN, "name": form.cleaned_data["name"] or _("Report")}
        context = draw_preview(request, keep_logo(request, form.build_definition()))
    return render(request, "dashboard/partials/_report_preview.html", context)


def keep_logo(request: PageRequest, definition: PlanDefinition) -> PlanDefinition:
    """With the logo of the plan that the form changes, unless the form says something of it."""
    try:
        plan_id = UUID(request.POST.get("plan", ""))
    except ValueError:
        return definition
    plan = get_plan(request.user, plan_id)
    is_kept = definition.logo is None
    return replace(definition, logo=bytes(plan.logo or b"")) if is_kept else definition


def draw_preview(request: PageRequest, definition: PlanDefinition) -> dict[str, object]:
    try:
        plan = reports.draft_plan(definition, owner=request.user)
    except (Invalid, Refused) as error:
        detail = [one.detail for one in error.errors] if isinstance(error, Invalid) else []
        return {"problems": detail or [error.detail]}
    now = read_now()
    question = reports.ask_question(plan, user=request.user, now=now)
    return reports.build_document(plan, question, now).context


@require_GET
@page(Permission.VIEW)
def show_plan(request: PageRequest, plan_id: UUID) -> HttpResponse:
    plan = get_plan(request.user, plan_id)
    rows = list_reports(request.user).filter(plan=plan)[:SHOWN]
    context = {"plan": plan, "reports": rows, "title": plan.name, "topics": [PAPERS]}
    if request.htmx:
        return render(request, "dashboard/partials/_report_history.html", context)
    return render(request, "dashboard/report_plan.html", context)


@require_POST
@page(Permission.VIEW)
def make_report(request: PageRequest, plan_id: UUID) -> HttpResponse:
    plan = get_plan(request.user, plan_id)
    try:
        reports.ask_report(plan, by=request.user)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("The report is being made; it appears below."))
    return redirect("dashboard:report-plan", plan_id=plan.id)


@require_POST
@page(Permission.VIEW)
def send_test(request: PageRequest, plan_id: UUID) -> HttpResponse:
    plan = get_plan(request.user, plan_id)
    try:
        reports.ask_report(plan, by=request.user, is_trial=True)
    except (Conflict, Refused, TooManyRequests) as error:
        messages.warning(request, error.detail)
    else:
        words = {"address": request.user.email}
        messages.success(request, _("It is made now and mailed to %(address)s.") % words)
    return redirect("dashboard:report-plan", plan_id=plan.id)


@require_POST
@page(Permission.VIEW)
def remove_plan(request: PageRequest, plan_id: UUID) -> HttpResponse:
    plan = get_plan(request.user, plan_id)
    reports.delete_plan(plan)
    messages.success(request, _("%(name)s is deleted.") % {"name": plan.name})
    return redirect("dashboard:reports")


@require_GET
@page(Permission.VIEW)
def download_report(request: PageRequest, report_id: UUID) -> HttpResponse:
    report = get_report(request.user, report_id)
    answer = HttpResponse(read_file(report), content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="{report.file_name}"'
    return answer


@require_POST
@page(Permission.VIEW)
def remove_report(request: PageRequest, report_id: UUID) -> HttpResponse:
    report = get_report(request.user, report_id)
    reports.delete_report(report)
    messages.success(request, _("The report is deleted."))
    return redirect("dashboard:report-plan", plan_id=report.plan_id)


@require_POST
@page(Permission.VIEW)
def remake_report(request: PageRequest, report_id: UUID) -> HttpResponse:
    report = get_report(request.user, report_id)
    try:
        reports.remake_report(report)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("The report is made again."))
    return redirect("dashboard:report-plan", plan_id=report.plan_id)


@require_POST
@page(Permission.VIEW)
def resend_report(request: PageRequest, delivery_id: int) -> HttpResponse:
    delivery = get_delivery(request.user, delivery_id)
    try:
        reports.resend(delivery, by=request.user)
    except (Conflict, Refused, TooManyRequests) as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("It is sent again."))
    return redirect("dashboard:report-plan", plan_id=delivery.report.plan_id)
