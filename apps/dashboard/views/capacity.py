"""What fills when: the most urgent first, and each with what it was read from."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.policy import Permission, find_scope
from apps.clients.selectors import covers_client, get_client, list_sites, list_tags
from apps.core.clock import read_now
from apps.dashboard.listing import take_page
from apps.dashboard.selectors.capacity import (
    KINDS,
    RECOMMENDED_AT_MOST,
    describe_forecast,
    describe_forecasts,
    describe_threshold,
    draw_days,
    draw_hours,
    keep_forecasts,
)
from apps.dashboard.thresholds import read_thresholds
from apps.dashboard.views.access import PageRequest, page
from apps.ml.selectors.forecasts import get_forecast, list_forecasts
from apps.ml.services.forecasting import ask_for_forecasts


@require_GET
@page(Permission.VIEW)
def list_capacity(request: PageRequest) -> HttpResponse:
    now = read_now()
    asked = {name: request.GET.get(name, "") for name in ("kind", "site", "tag")}
    found = keep_forecasts(list_forecasts(request.user), **asked)
    listed, forecasts = take_page(found, request.GET.get("page"))
    rows = describe_forecasts(forecasts, now)
    context = {
        "page": listed,
        "rows": rows,
        "advised": [row for row in rows if row.advice][:RECOMMENDED_AT_MOST],
        "kinds": KINDS.items(),
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
        "is_filtered": any(asked.values()),
        **asked,
    }
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}capacity.html", context)


@require_GET
@page(Permission.VIEW)
def show_forecast(request: PageRequest, forecast_id: UUID) -> HttpResponse:
    now = read_now()
    forecast = get_forecast(request.user, forecast_id)
    drawings = {"hours": draw_hours(forecast, now)}
    if forecast.limit is not None:
        drawings["days"] = draw_days(forecast, now)
    scope = find_scope(request.user, Permission.OPERATE)
    context = {
        "row": describe_forecast(forecast, now),
        "forecast": forecast,
        "drawings": drawings,
        "threshold": describe_threshold(forecast, read_thresholds().get(forecast.metric), now),
        "may_refresh": covers_client(scope, forecast.source.client),
    }
    return render(request, "dashboard/forecast.html", context)


@require_POST
@page(Permission.OPERATE)
def refresh_forecasts(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    ask_for_forecasts(client=client, now=read_now())
    words = {"client": client.name}
    messages.success(request, _("The forecasts of %(client)s are made anew.") % words)
    return redirect("dashboard:capacity")
