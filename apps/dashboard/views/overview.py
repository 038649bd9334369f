from dataclasses import asdict

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.dashboard.ranges import RANGES
from apps.dashboard.selectors.overview import build_combs, list_concerns, list_happenings
from apps.dashboard.selectors.search import search_everything
from apps.dashboard.selectors.trends import find_trend, read_trend
from apps.dashboard.tiles import TILE_SPAN, build_tiles
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page

DEFAULT_RANGE = "1h"
# A page with many cells is costly to make and to swap, so it is renewed less often.
ANNOUNCE_MS, ANNOUNCE_MS_PER_CELL = 2000, 4
RANGE_NAMES = ("1h", "6h", "24h")


def read_overview_range(request: PageRequest) -> str:
    wanted = request.GET.get("range", "")
    return wanted if wanted in RANGE_NAMES else DEFAULT_RANGE


@require_GET
@page(Permission.VIEW)
def show_overview(request: PageRequest) -> HttpResponse:
    """The whole page, or to htmx the parts of it that change."""
    # The first byte does not wait for the trend; the page fetches it right afterwards.
    read = read_trend if request.htmx else find_trend
    trend = read(request.user, TILE_SPAN)
    combs = build_combs(request.user)
    context = {
        "tiles": build_tiles(request.user, trend),
        "is_trend_due": trend is None,
        "combs": combs,
        "announce_ms": ANNOUNCE_MS + ANNOUNCE_MS_PER_CELL * sum(len(c.cells) for c in combs),
        "concerns": list_concerns(request.user),
        "happenings": list_happenings(request.user),
        "range": read_overview_range(request),
        "ranges": [(name, RANGES[name][0]) for name in RANGE_NAMES],
        "topics": [OVERVIEW],
    }
    template = "dashboard/partials/_overview.html" if request.htmx else "dashboard/overview.html"
    return render(request, template, context)


@require_GET
@page(Permission.VIEW)
def show_trend(request: PageRequest) -> HttpResponse:
    """The overview's chart as JSON: the columns of `selectors.trends.Trend`."""
    _label, span = RANGES[read_overview_range(request)]
    return JsonResponse(asdict(read_trend(request.user, span)))


@require_GET
@page(Permission.VIEW)
def search(request: PageRequest) -> HttpResponse:
    """Clients and tests whose name holds the text, for the search field of every page."""
    text = request.GET.get("q", "").strip()
    found = search_everything(request.user, text) if text else None
    context = {"text": text, "found": found}
    template = "dashboard/partials/_found.html" if request.htmx else "dashboard/search.html"
    return render(request, template, context)
