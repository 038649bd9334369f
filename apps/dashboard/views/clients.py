from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.request import QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, find_scope
from apps.accounts.selectors import administers_everything
from apps.clients.algorithms.versions import is_older
from apps.clients.models import Client
from apps.clients.selectors import (
    ClientQuery,
    covers_client,
    describe_maintenance,
    get_client,
    list_sites,
    list_tags,
    list_versions,
    search_clients,
)
from apps.core.clock import read_now
from apps.dashboard.charts import LIVE_SOURCE_KINDS, describe_client_panels
from apps.dashboard.forms.clients import ClientForm, RotationForm, describe_client_form
from apps.dashboard.listing import order_rows
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.clients import (
    annotate_failing,
    describe_clients,
    list_client_assignments,
    measure_history,
    order_by_value,
)
from apps.dashboard.selectors.exports import build_export
from apps.dashboard.selectors.health import describe_client_health
from apps.dashboard.selectors.hosts import describe_beats, describe_disks, find_enrolment
from apps.dashboard.selectors.learned import describe_client_learning
from apps.dashboard.selectors.runs import describe_runs, list_begun_runs
from apps.dashboard.selectors.unusual import list_latest
from apps.dashboard.topics import OVERVIEW, name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.history import HISTORY_TARGET, lead_to_canonical
from apps.metrics.selectors import LatestValues, read_latest
from apps.ml.learners.outlook import find_series_outlook, list_client_outlooks
from apps.ml.selectors.health import find_test_scores
from apps.tests.services.standings import describe_client_standing

COLUMNS = {
    "name": "name",
    "presence": "presence",
    "site": "site__name",
    "tests": "failing",
    "health": "health__score",
    "heartbeat": "last_heartbeat_at",
    "version": "agent_version",
    "system": "operating_system",
    "enrolled": "enrolled_at",
}
# What no column of the table holds: the newest value of the host.
VALUE_COLUMNS = {
    "processor": "system.cpu.utilization",
    "memory": "system.memory.utilization",
}
# What agents name; the API takes any other name as well.
CAPABILITIES = (
    "icmp_raw", "icmp_datagram", "tcp_connect", "kernel_timestamps", "packet_capture", "sensors",
    "wifi", "energy", "disk_health", "optical_power", "queues", "machine_power", "all_processes",
)  # fmt: skip
PAGE_SIZES = (25, 50, 100, 200)
DEFAULT_PAGE_SIZE = 50
RUNS_SHOWN = 15
RUNS_SPAN = timedelta(days=1)


@require_GET
@page(Permission.VIEW)
def list_clients_page(request: PageRequest) -> HttpResponse:
    query = read_client_query(request.GET)
    size = read_page_size(request.GET.get("size"))
    found = search_clients(request.user, query)
    paginator, sort = sort_clients(found, request.GET.get("sort", ""), size)
    listed = paginator.get_page(request.GET.get("page"))
    context = {
        "page": listed,
        "rows": describe_clients(load_clients(found, list(listed))),
        "maintenances": describe_maintenance(list(listed), read_now()),
        "sort": sort,
        "size": size,
        "query": query,
        "is_filtered": not query.is_everything,
        "presences": Client.Presence.choices,
        "sizes": PAGE_SIZES,
        "capabilities": CAPABILITIES,
        "export": build_export("clients", describe_query(query)),
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
        "versions": list_versions(request.user),
        "server_version": settings.SERVER_VERSION,
        "topics": [OVERVIEW],
    }
    template = "dashboard/partials/_clients.html" if request.htmx else "dashboard/clients.html"
    return render(request, template, context)


def read_client_query(asked: QueryDict) -> ClientQuery:
    """What the URL narrows the list by."""
    texts = {
        name: asked.get(short, "").strip()
        for name, short in (
            ("text", "q"), ("presence", "presence"), ("site", "site"), ("tag", "tag"),
            ("version", "version"), ("capability", "capability"),
        )
    }  # fmt: skip
    return ClientQuery(**texts, has_clone=asked.get("clone") == "1")


def describe_query(query: ClientQuery) -> dict[str, str | list[str]]:
    """What the list is narrowed by, as an export takes it."""
    return {
        "q": query.text,
        "presence": query.presence,
        "site": query.site,
        "tag": query.tag,
        "agent_version": query.version,
        "capability": query.capability,
        "is_clone_suspected": "true" if query.has_clone else "",
    }


def read_page_size(text: str | None) -> int:
    return int(text) if text in {str(size) for size in PAGE_SIZES} else DEFAULT_PAGE_SIZE


def sort_clients(found: QuerySet[Client], wanted: str, size: int) -> tuple["Paginator[UUID]", str]:
    """The ids of the clients in the wanted order, in pages; and that order."""
    column = wanted.removeprefix("-")
    if column in VALUE_COLUMNS:
        key, is_falling = VALUE_COLUMNS[column], wanted.startswith("-")
        ids = order_by_value(found.prefetch_related(None), key, is_falling=is_falling)
        return Paginator(ids, size), wanted
    rows = annotate_failing(found) if column == "tests" else found
    ordered, order = order_rows(rows, wanted, COLUMNS, default="name")
    plain = ordered.select_related(None).prefetch_related(None)
    return Paginator(plain.values_list("id", flat=True), size), order


def load_clients(found: QuerySet[Client], ids: list[UUID]) -> list[Client]:
    """The clients of those ids, in that order, without what lists do not show."""
    rows = found.prefetch_related(None).prefetch_related("tags")
    by_id = rows.defer("inventory", "heartbeats", "earlier_boots").in_bulk(ids)
    return [by_id[id] for id in ids if id in by_id]


@require_GET
@page(Permission.VIEW)
def show_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    """The client's state and charts, or to htmx the parts of it that change."""
    client = get_client(request.user, client_id)
    elsewhere = lead_to_canonical(request)
    if elsewhere is not None:
        return elsewhere
    latest = read_latest([client.id], kinds=LIVE_SOURCE_KINDS).get(client.id, [])
    context = {
        **describe_head(request, client, "health"),
        "card": describe_client_health(client),
        "latest": list_latest(request.user, client_id=client.id),
        "learning": describe_client_learning(
            list_client_outlooks(client.id), find_series_outlook(client.id)
        ),
        "host": find_source(latest, "host"),
        "agent": find_source(latest, "agent"),
        "fullest": find_fullest(latest),
        "panels": [panel.as_document() for panel in describe_client_panels(latest)],
        "history": read_history(request.GET),
        "panels_url": reverse("dashboard:client-history", args=[client.id]),
    }
    if request.htmx.target == HISTORY_TARGET:
        return render(request, "dashboard/partials/_panels.html", context)
    return render_part(request, context, "client")


@require_GET
@page(Permission.VIEW)
def show_client_tests(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    assignments = list(list_client_assignments(request.user, client))
    runs = list_begun_runs(request.user).filter(
        assignment__client=client, start_at__gte=read_now() - RUNS_SPAN
    )
    context = {
        **describe_head(request, client, "tests"),
        "assignments": assignments,
        "scores": find_test_scores([row.id for row in assignments]),
        "runs": describe_runs(runs[:RUNS_SHOWN]),
    }
    return render_part(request, context, "client_tests")


@require_GET
@page(Permission.VIEW)
def show_client_host(request: PageRequest, client_id: UUID) -> HttpResponse:
    """What the host is, to htmx only the parts of it that change."""
    client = get_client(request.user, client_id)
    latest = read_latest([client.id], kinds=("filesystem",)).get(client.id, [])
    capabilities = sorted(client.inventory.get("capabilities", {}).items())
    context = {
        **describe_head(request, client, "host"),
        "inventory": client.inventory,
        "interfaces": client.interfaces.all(),
        "capabilities": capabilities,
        "missing_count": sum(not known.get("is_available") for _name, known in capabilities),
        "disks": describe_disks(client.inventory, latest),
        "beats": describe_beats(client.heartbeats),
        "heartbeat_seconds": settings.SWARM_HEARTBEAT_SECONDS,
        "token_name": find_enrolment(client),
    }
    return render_part(request, context, "client_host")


@require_GET
@page(Permission.OPERATE)
def show_client_settings(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    form = ClientForm(user=request.user, initial=describe_client_form(client))
    return render_settings(request, client, form)


def render_settings(
    request: PageRequest, client: Client, form: ClientForm, *, delete_error: str = ""
) -> HttpResponse:
    context = {
        **describe_head(request, client, "settings"),
        "form": form,
        "standing": describe_client_standing(client),
        "rotation": RotationForm(),
        "keys": client.keys.all(),
        "history": measure_history([client.id]),
        "delete_error": delete_error,
        "now": read_now(),
    }
    return render(request, "dashboard/client_settings.html", context)


def describe_head(request: PageRequest, client: Client, tab: str) -> dict[str, object]:
    scope = find_scope(request.user, Permission.OPERATE)
    return {
        "client": client,
        "tab": tab,
        "maintenance": describe_maintenance([client.id], read_now()).get(client.id),
        "may_change": covers_client(scope, client),
        "may_administer": administers_everything(request.user),
        "is_outdated": is_older(client.agent_version, settings.SERVER_VERSION),
        "server_version": settings.SERVER_VERSION,
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
