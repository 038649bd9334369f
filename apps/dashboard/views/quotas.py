"""Limits of users and clients, and how much of them is used."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.core.errors import Invalid
from apps.dashboard.forms.quotas import QuotaForm
from apps.dashboard.listing import ROWS_PER_PAGE
from apps.dashboard.views.access import PageRequest, page
from apps.tests import services
from apps.tests.selectors import get_quota, list_quotas
from apps.tests.services.standings import describe_standings


@require_http_methods(["GET", "POST"])
@page(Permission.ADMINISTER)
def list_quotas_page(request: PageRequest) -> HttpResponse:
    """The limits with what is used of them; a posted form sets one."""
    form = QuotaForm(request.POST or None)
    if form.is_valid():
        try:
            services.set_quota(**form.read_owner(), limits=form.read_limits())
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("The limit is set."))
            return redirect("dashboard:quotas")
    text = request.GET.get("q", "").strip()
    standings = [one for one in describe_standings() if text.lower() in one.name.lower()]
    listed = Paginator(standings, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "quotas": list_quotas(),
        "page": listed,
        "text": text,
        "topics": [],
    }
    return render(request, "dashboard/quotas.html", context, status=422 if form.errors else 200)


@require_POST
@page(Permission.ADMINISTER)
def remove_quota(request: PageRequest, quota_id: int) -> HttpResponse:
    services.remove_quota(quota=get_quota(quota_id))
    messages.success(request, _("The limit is removed."))
    return redirect("dashboard:quotas")
