"""Taking rows along: what, how much it would be, and the files made in the background."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict, StreamSwarmError
from apps.dashboard.forms.exports import ExportForm
from apps.dashboard.selectors.exports import build_download, describe_exports, list_fields
from apps.dashboard.topics import PAPERS
from apps.dashboard.views.access import PageRequest, page
from apps.reports.selectors.exports import get_export
from apps.reports.services import exports as services
from apps.reports.services.exports.estimating import estimate_export

FORM_TARGET = "export-form"


@require_http_methods(["GET", "POST"])
@page(Permission.VIEW)
def list_exports_page(request: PageRequest) -> HttpResponse:
    """The form with an estimate, and the list; a posted form asks for a file."""
    if request.method == "POST":
        return ask_for_export(request)
    if request.htmx and request.htmx.target != FORM_TARGET:
        return render(request, "dashboard/partials/_exports.html", describe_list(request))
    context = describe_form(request, ExportForm(request.GET, user=request.user))
    if request.htmx:
        return render(request, "dashboard/partials/_export_form.html", context)
    return render(request, "dashboard/exports.html", {**context, **describe_list(request)})


def ask_for_export(request: PageRequest) -> HttpResponse:
    form = ExportForm(request.POST, user=request.user)
    order = form.read_order()
    if order is not None:
        try:
            services.request_export(user=request.user, order=order)
        except StreamSwarmError as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The file is being made; it appears in the list below."))
            return redirect("dashboard:exports")
    context = {**describe_form(request, form), **describe_list(request)}
    return render(request, "dashboard/exports.html", context, status=422)


def describe_form(request: PageRequest, form: ExportForm) -> dict[str, object]:
    order = form.read_order()
    return {
        "form": form,
        "estimate": None if order is None else estimate_export(request.user, order),
        "download": "" if order is None else build_download(order),
        "fields": [] if order is None else list_fields(order),
    }


def describe_list(request: PageRequest) -> dict[str, object]:
    return {"exports": describe_exports(request.user), "topics": [PAPERS]}


@require_POST
@page(Permission.VIEW)
def delete_export(request: PageRequest, export_id: UUID) -> HttpResponse:
    services.delete_export(export=get_export(request.user, export_id))
    messages.success(request, _("The export is deleted."))
    return redirect("dashboard:exports")


@require_POST
@page(Permission.VIEW)
def link_export(request: PageRequest, export_id: UUID) -> HttpResponse:
    """The page with a link to the file that works for an hour, for whoever has it."""
    export = get_export(request.user, export_id)
    try:
        link = services.sign_link(export)
    except Conflict as error:
        messages.warning(request, error.detail)
        return redirect("dashboard:exports")
    path = f"{reverse('export-file', args=[export.id])}?signature={link.signature}"
    context = {
        **describe_form(request, ExportForm(request.GET, user=request.user)),
        **describe_list(request),
        "link": request.build_absolute_uri(path),
        "link_until": link.expires_at,
        "linked": export,
    }
    return render(request, "dashboard/exports.html", context)
