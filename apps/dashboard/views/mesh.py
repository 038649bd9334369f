from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.dashboard.selectors.choosing import describe_pairs
from apps.dashboard.selectors.meshes import build_grid, list_metric_keys
from apps.dashboard.topics import name_topic
from apps.dashboard.views.access import PageRequest, page
from apps.tests.kinds import KINDS
from apps.tests.selectors import get_test


@require_GET
@page(Permission.VIEW)
def show_mesh(request: PageRequest, test_id: UUID) -> HttpResponse:
    """The pairs of a test as a grid, coloured by one metric, or to htmx the grid alone."""
    test = get_test(request.user, test_id)
    keys = list_metric_keys(test)
    key = request.GET.get("metric", "")
    chosen = key if key in keys else keys[0]
    context = {
        "test": test,
        "kind": KINDS[test.kind],
        "pair_words": describe_pairs(test),
        "keys": keys,
        "key": chosen,
        "grid": build_grid(request.user, test, chosen),
        "topics": [name_topic("test", test.id)],
    }
    template = "dashboard/partials/_mesh.html" if request.htmx else "dashboard/mesh.html"
    return render(request, template, context)
