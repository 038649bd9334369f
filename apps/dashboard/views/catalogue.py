"""What can be measured, and who measures it now."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.dashboard.ranges import read_history
from apps.dashboard.selectors.catalogue import (
    SOURCES_SHOWN,
    CatalogueQuery,
    choose_source,
    describe_metric,
    draw_carriers,
    find_history_url,
    get_metric,
    list_carrier_rows,
    list_emitters,
    list_groups,
    search_catalogue,
)
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.history import HISTORY_TARGET, lead_to_canonical
from apps.metrics.catalogue import ABSENT_CODES, METRICS

LONGEST_SEARCH = 100


@require_GET
@page(Permission.VIEW)
def list_metrics(request: PageRequest) -> HttpResponse:
    """The whole catalogue in its groups, or to htmx the part that a filter changes."""
    query = CatalogueQuery(
        text=read_text(request),
        group=request.GET.get("group", ""),
        emitter=request.GET.get("from", ""),
    )
    groups = search_catalogue(query)
    context = {
        "query": query,
        "groups": groups,
        "found_count": sum(len(group.rows) for group in groups),
        "all_count": len(METRICS),
        "all_groups": list_groups(),
        "emitters": list_emitters(),
        "codes": ABSENT_CODES.items(),
    }
    name = "partials/_catalogue" if request.htmx else "catalogue"
    return render(request, f"dashboard/{name}.html", context)


@require_GET
@page(Permission.VIEW)
def show_metric(request: PageRequest, metric: str) -> HttpResponse:
    """One metric: what it means, where it is measured now, and a chart of one of the places."""
    known = get_metric(metric)
    described = describe_metric(known)
    elsewhere = lead_to_canonical(request)
    if elsewhere is not None:
        return elsewhere
    rows = list_carrier_rows(request.user, known, read_text(request))
    source_id = choose_source(rows, request.GET.get("source", ""))
    drawn = [row for row in rows if row.carrier.source.id == source_id]
    key = request.GET.get("key", "")
    context = {
        "metric": known,
        "emitters": described.emitters,
        "unit": described.unit,
        "codes": [(code, ABSENT_CODES[code]) for code in known.absent],
        "rows": rows,
        "is_cut": len({row.carrier.source.id for row in rows}) == SOURCES_SHOWN,
        "search": read_text(request),
        "source_id": source_id,
        "drawn": drawn[0] if drawn else None,
        "drawn_count": len(drawn),
        "key": key if key in {row.carrier.key for row in drawn} else "",
        "panels": [panel.as_document() for panel in draw_carriers(rows, source_id, key)],
        "panels_url": find_history_url(drawn[0]) if drawn else "",
        "history": read_history(request.GET),
    }
    return render(request, choose_template(request), context)


def choose_template(request: PageRequest) -> str:
    if request.htmx.target == HISTORY_TARGET:
        return "dashboard/partials/_panels.html"
    return "dashboard/partials/_carriers.html" if request.htmx else "dashboard/metric.html"


def read_text(request: PageRequest) -> str:
    return request.GET.get("q", "").strip()[:LONGEST_SEARCH]
