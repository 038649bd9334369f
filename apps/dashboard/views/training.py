"""Learning: what can be trained, what trains now, and what came of earlier trainings."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict, FieldError, Invalid
from apps.dashboard.selectors.models import (
    list_standing_rows,
    name_learner,
    page_trainings,
)
from apps.dashboard.topics import LEARNING
from apps.dashboard.views.access import PageRequest, page
from apps.ml.algorithms.scopes import Scope, parse_scope
from apps.ml.services.trainings import start_training


@require_GET
@page(Permission.VIEW)
def show_training(request: PageRequest) -> HttpResponse:
    listed, rows = page_trainings(request.user, request.GET.get("page"))
    context = {
        "page": listed,
        "rows": rows,
        "is_open": any(row.training.state in row.training.OPEN for row in rows),
        "standings": list_standing_rows(request.user),
        "topics": [LEARNING],
        "announce_ms": 1000,
    }
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}training.html", context)


@require_POST
@page(Permission.ADMINISTER)
def start(request: PageRequest) -> HttpResponse:
    kind = request.POST.get("kind", "")
    try:
        start_training(kind=kind, scope=read_scope(request))
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, _("%(model)s will be trained.") % {"model": name_learner(kind)})
    return redirect("dashboard:training")


def read_scope(request: PageRequest) -> Scope:
    """Raises: Invalid."""
    try:
        return parse_scope(request.POST.get("scope", ""))
    except ValueError as error:
        raise Invalid([FieldError("scope", "unknown_scope", str(error))]) from error
