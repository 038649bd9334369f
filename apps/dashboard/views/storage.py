from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.core.clock import read_now
from apps.dashboard.selectors.storage import describe_storage
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page
from apps.metrics.selectors import read_storage


@require_GET
@page(Permission.VIEW)
def show_storage_fault(request: PageRequest) -> HttpResponse:
    """What every page says of a full disk, for a page that is open already."""
    return render(request, "dashboard/partials/_storage_fault.html")


@require_GET
@page(Permission.ADMINISTER)
def show_storage(request: PageRequest) -> HttpResponse:
    """What history costs, or to htmx the part of the page that changes."""
    context = {"storage": describe_storage(read_storage(read_now())), "topics": [OVERVIEW]}
    template = "dashboard/partials/_storage.html" if request.htmx else "dashboard/storage.html"
    return render(request, template, context)
