"""The trained models: how good each is, and which one is used."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Conflict
from apps.dashboard.selectors.models import (
    describe_drift_card,
    describe_figures,
    describe_row,
    list_kinds,
    name_learner,
    page_models,
    read_score,
)
from apps.dashboard.topics import LEARNING
from apps.dashboard.views.access import PageRequest, page
from apps.ml.models import ModelVersion
from apps.ml.selectors.registry import get_model, name_scope
from apps.ml.services.registry import promote_model, retire_model, roll_back_model


@require_GET
@page(Permission.VIEW)
def list_models_page(request: PageRequest) -> HttpResponse:
    listed, groups = page_models(request.user, request.GET.get("page"))
    context = {
        "page": listed,
        "groups": groups,
        "kinds": list_kinds(request.user),
        "topics": [LEARNING],
    }
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}models.html", context)


@require_GET
@page(Permission.VIEW)
def show_model(request: PageRequest, version_id: UUID) -> HttpResponse:
    version = get_model(request.user, version_id)
    context = {
        "version": version,
        "title": name_learner(version.kind),
        "scope_name": name_scope(version),
        "scores": {
            name: read_score(version.metrics, name)
            for name in ("loss", "baseline", "margin", "champion")
        },
        "figures": describe_figures(version),
        "drift": describe_drift_card(version),
        "row": describe_row(version),
        "topics": [],
    }
    return render(request, "dashboard/model.html", context)


@require_POST
@page(Permission.ADMINISTER)
def promote(request: PageRequest, version_id: UUID) -> HttpResponse:
    version = get_model(request.user, version_id)
    done = _("Version %(version)s is the champion now.")
    reason = _("Promoted by %(user)s.") % {"user": request.user.username}
    return act(request, lambda: promote_model(version=version, reason=reason), done)


@require_POST
@page(Permission.ADMINISTER)
def roll_back(request: PageRequest, version_id: UUID) -> HttpResponse:
    champion = get_model(request.user, version_id)
    done = _("Version %(version)s is the champion again.")
    reason = _("Brought back by %(user)s.") % {"user": request.user.username}
    return act(request, lambda: roll_back_model(champion=champion, reason=reason), done)


@require_POST
@page(Permission.ADMINISTER)
def retire(request: PageRequest, version_id: UUID) -> HttpResponse:
    version = get_model(request.user, version_id)
    done = _("Version %(version)s is used no more.")
    reason = _("Retired by %(user)s.") % {"user": request.user.username}
    return act(request, lambda: retire_model(version=version, reason=reason), done)


def act(request: PageRequest, work: Callable[[], ModelVersion], done: str) -> HttpResponse:
    """Do it and say so, or why not, on the list."""
    try:
        version = work()
    except Conflict as error:
        messages.warning(request, error.detail)
    else:
        messages.success(request, done % {"version": version.version})
    return redirect("dashboard:models")
