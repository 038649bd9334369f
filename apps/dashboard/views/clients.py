from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, find_scope
from apps.clients.models import Client
from apps.clients.selectors import covers_client, get_client, list_sites, list_tags
from apps.core.clock import read_now
from apps.dashboard.charts import (
    LIVE_SOURCE_KINDS,
    RANGES,
    describe_client_panels,
    read_range_name,
)
from apps.dashboard.forms.clients import ClientForm, describe_client_form
from apps.dashboard.listing import order_rows, take_page
from apps.dashboard.selectors.clients import (
    describe_clients,
    list_client_assignments,
    search_clients,
)
from apps.dashboard.selectors.runs import describe_runs, list_begun_runs
from apps.dashboard.topics import OVERVIEW, name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.metrics.selectors import LatestValues, read_latest

COLUMNS = {
    "name": "name",
    "presence": "presence",
    "site": "site__name",
    "heartbeat": "last_heartbeat_at",
    "version": "agent_version",
    "enrolled": "enrolled_at",
}
RUNS_SHOWN = 15
RUNS_SPAN = timedelta(days=1)


@require_GET
@page(Permission.VIEW)
def list_clients_page(request: PageRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "presence", "site", "tag")}
    rows = search_clients(
        request.user,
        text=filters["q"],
        presence=filters["presence"],
        site=filters["site"],
        tag=filters["tag"],
    )
    rows, sort = order_rows(rows, request.GET.get("sort", ""), COLUMNS, default="name")
    listed, clients = take_page(rows, request.GET.get("page"))
    context = {
        "page": listed,
        "rows": describe_clients(clients),
        "sort": sort,
        "filters": filters,
        "is_filtered": any(filters.values()),
        "presences": Client.Presence.choices,
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
        "topics": [OVERVIEW],
    }
    template = "dashboard/partials/_clients.html" if request.htmx else "dashboard/clients.html"
    return render(request, template, context)


@require_GET
@page(Permission.VIEW)
def show_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    """The client's state and charts, or to htmx the parts of it that change."""
    client = get_client(request.user, client_id)
    latest = read_latest([client.id], kinds=LIVE_SOURCE_KINDS).get(client.id, [])
    context = {
        **describe_head(request, client, "health"),
        "host": find_source(latest, "host"),
        "agent": find_source(latest, "agent"),
        "fullest": find_fullest(latest),
        "panels": [panel.as_document() for panel in describe_client_panels(latest)],
        "range": read_range_name(request.GET.get("range")),
        "ranges": [(name, label) for name, (label, _span) in RANGES.items()],
    }
    return render_part(request, context, "client")


@require_GET
@page(Permission.VIEW)
def show_client_tests(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    runs = list_begun_runs(request.user).filter(
        assignment__client=client, start_at__gte=read_now() - RUNS_SPAN
    )
    context = {
        **describe_head(request, client, "tests"),
        "assignments": list_client_assignments(request.user, client),
        "runs": describe_runs(runs[:RUNS_SHOWN]),
    }
    return render_part(request, context, "client_tests")


@require_GET
@page(Permission.VIEW)
def show_client_host(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    context = {
        **describe_head(request, client, "host"),
        "inventory": client.inventory,
        "interfaces": client.interfaces.all(),
        "capabilities": sorted(client.inventory.get("capabilities", {}).items()),
    }
    return render(request, "dashboard/client_host.html", context)


@require_GET
@page(Permission.OPERATE)
def show_client_settings(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    form = ClientForm(user=request.user, initial=describe_client_form(client))
    return render_settings(request, client, form)


def render_settings(request: PageRequest, client: Client, form: ClientForm) -> HttpResponse:
    context = {
        **describe_head(request, client, "settings"),
        "form": form,
        "keys": client.keys.all(),
        "now": read_now(),
    }
    return render(request, "dashboard/client_settings.html", context)


def describe_head(request: PageRequest, client: Client, tab: str) -> dict[str, object]:
    scope = find_scope(request.user, Permission.OPERATE)
    return {
        "client": client,
        "tab": tab,
        "may_change": covers_client(scope, client),
        "topics": [name_topic("client", client.id)],
    }


def render_part(request: PageRequest, context: dict[str, object], name: str) -> HttpResponse:
    folder = "dashboard/partials/_" if request.htmx else "dashboard/"
    return render(request, f"{folder}{name}.html", context)


def find_source(latest: list[LatestValues], kind: str) -> LatestValues | None:
    return next((row for row in latest if row.kind == kind), None)


def find_fullest(latest: list[LatestValues]) -> LatestValues | None:
    """The file system with the least room left."""
    known = [row for row in latest if "system.filesystem.utilization" in row.values]
    return max(known, key=lambda row: row.values["system.filesystem.utilization"], default=None)
