"""Maintenance windows: their list, the form with its preview, and what is done to them."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.clients.algorithms.recurrence import Recurrence, take_occurrences
from apps.clients.algorithms.recurrence_words import describe_recurrence
from apps.clients.models import MaintenanceWindow
from apps.clients.selectors import count_selected, get_window, require_selected
from apps.clients.services import (
    WindowDefinition,
    change_window,
    check_window,
    create_window,
    delete_window,
    end_window,
)
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, Refused
from apps.dashboard.forms.maintenance import MaintenanceForm, describe_window_form, propose_window
from apps.dashboard.selectors.maintenance import describe_windows
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page

PREVIEW_LENGTH = 5
NO_WINDOW = UUID(int=0)


@require_GET
@page(Permission.VIEW)
def list_windows_page(request: PageRequest) -> HttpResponse:
    context = {"windows": describe_windows(request.user), "topics": [OVERVIEW]}
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}maintenance.html", context)


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def make_window(request: PageRequest) -> HttpResponse:
    initial = propose_window({"clients": request.GET.getlist("client")})
    form = MaintenanceForm(request.POST or None, user=request.user, initial=initial)
    definition = check_form(request, form)
    if definition is None:
        return render_form(request, form)
    create_window(definition)
    messages.success(request, _("The maintenance window is made."))
    return redirect("dashboard:maintenance")


@require_http_methods(["GET", "POST"])
@page(Permission.OPERATE)
def edit_window(request: PageRequest, window_id: UUID) -> HttpResponse:
    window = get_window(request.user, window_id, Permission.OPERATE)
    initial = describe_window_form(window)
    form = MaintenanceForm(request.POST or None, user=request.user, initial=initial)
    definition = check_form(request, form)
    if definition is None:
        return render_form(request, form, window)
    change_window(window=window, definition=definition)
    messages.success(request, _("Saved."))
    return redirect("dashboard:maintenance")


def check_form(request: PageRequest, form: MaintenanceForm) -> WindowDefinition | None:
    """The window asked for, once it may be made; otherwise the form holds the reasons."""
    if not form.is_valid():
        return None
    definition = form.build_definition()
    try:
        require_selected(request.user, check_window(definition))
    except (Invalid, Refused) as error:
        form.take_errors(error)
        return None
    return definition


def render_form(
    request: PageRequest, form: MaintenanceForm, window: MaintenanceWindow | None = None
) -> HttpResponse:
    context = {"form": form, "window": window}
    status = 422 if form.errors else 200
    return render(request, "dashboard/maintenance_form.html", context, status=status)


@require_POST
@page(Permission.OPERATE)
def preview_window(request: PageRequest) -> HttpResponse:
    """The form's part that says when the window comes and how many clients it means."""
    form = MaintenanceForm(request.POST, user=request.user)
    form.fields["name"].required = False
    context: dict[str, object] = {}
    definition = None
    if form.is_valid():
        form.cleaned_data["name"] = form.cleaned_data["name"] or "preview"
        definition = form.build_definition()
        try:
            selector = check_window(definition)
        except Invalid as error:
            context["problems"] = [item.detail for item in error.errors]
        else:
            counts = count_selected(request.user, {NO_WINDOW: selector.as_document()})
            context |= {**describe_definition(definition), "client_count": counts[NO_WINDOW]}
    return render(request, "dashboard/partials/_maintenance_preview.html", context)


def describe_definition(definition: WindowDefinition) -> dict[str, object]:
    recurrence = Recurrence(
        starts_at=definition.starts_at,
        duration_seconds=definition.duration_seconds,
        time_zone=definition.time_zone,
        rule=definition.recurrence,
    )
    return {
        "words": describe_recurrence(recurrence),
        "zone": definition.time_zone,
        "occurrences": take_occurrences(recurrence, start=read_now(), count=PREVIEW_LENGTH),
    }


@require_POST
@page(Permission.OPERATE)
def end_window_now(request: PageRequest, window_id: UUID) -> HttpResponse:
    window = get_window(request.user, window_id, Permission.OPERATE)
    try:
        end_window(window=window)
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("Ended. Runs ahead go on as planned."))
    return redirect("dashboard:maintenance")


@require_POST
@page(Permission.OPERATE)
def remove_window(request: PageRequest, window_id: UUID) -> HttpResponse:
    window = get_window(request.user, window_id, Permission.OPERATE)
    delete_window(window=window)
    messages.success(request, _("%(name)s is deleted.") % {"name": window.name})
    return redirect("dashboard:maintenance")
