from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.clients.selectors import ClientQuery, list_sites, list_tags, search_clients
from apps.core.clock import read_now
from apps.dashboard.charts import HOST_PANELS, Line, Panel
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.fleet import MOST_CLIENTS, read_fleet
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.history import lead_to_canonical

DEFAULT_RANGE = "30d"
# What can be chosen: a metric that every host has, by its key.
CHOICES: dict[str, tuple[Panel, Line]] = {
    line.key: (panel, line) for panel in HOST_PANELS for line in panel.lines
}


@require_GET
@page(Permission.VIEW)
def show_fleet(request: PageRequest) -> HttpResponse:
    """One metric of up to fifty clients over a long time."""
    if (answer := lead_to_canonical(request)) is not None:
        return answer
    asked = request.GET.copy()
    asked.setdefault("range", DEFAULT_RANGE)
    history = read_history(asked)
    key = asked.get("key", "")
    key = key if key in CHOICES else next(iter(CHOICES))
    query = ClientQuery(site=asked.get("site", ""), tag=asked.get("tag", ""))
    found = search_clients(request.user, query)
    clients = list(found.order_by("name", "id")[: MOST_CLIENTS + 1])
    end = history.end or read_now()
    fleet = read_fleet(
        clients[:MOST_CLIENTS],
        kind=CHOICES[key][1].source,
        key=key,
        start=history.start or end - history.span,
        end=end,
    )
    context = {
        "history": history,
        "fleet": fleet,
        "key": key,
        "key_label": f"{CHOICES[key][0].title}: {CHOICES[key][1].label}",
        "choices": [
            (name, f"{panel.title}: {line.label}") for name, (panel, line) in CHOICES.items()
        ],
        "query": query,
        "sites": list_sites(request.user),
        "tags": list_tags(request.user),
        "start_seconds": (history.start or end - history.span).timestamp(),
        "end_seconds": end.timestamp(),
        "most_clients": MOST_CLIENTS,
        "is_cut": len(clients) > MOST_CLIENTS,
        "has_clients": bool(clients),
    }
    return render(request, "dashboard/fleet.html", context)
