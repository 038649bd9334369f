"""The client's processes and connections: tables out of its newest documents."""

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission
from apps.clients.selectors import get_client
from apps.dashboard.selectors.documents import (
    CONNECTION_COLUMNS,
    PROCESS_COLUMNS,
    describe_connection,
    describe_process,
    list_connection_rows,
    list_counts,
    list_missing,
    list_process_rows,
    order_table,
    read_number,
    search_rows,
)
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.clients import describe_head, render_part
from apps.metrics.models import Document
from apps.metrics.selectors import find_document

LONGEST_SEARCH = 100


@require_GET
@page(Permission.VIEW)
def show_client_processes(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    document = find_document(client.id, "processes")
    found = list_process_rows(document) if document else []
    kept = search_rows(found, read_search(request), describe_process)
    rows, sort = order_table(kept, request.GET.get("sort", ""), PROCESS_COLUMNS, default="-cpu")
    context = {
        **describe_head(request, client, "processes"),
        **describe_document(request, document),
        "rows": rows,
        "sort": sort,
        "has_arguments": bool(document and document.body.get("shows_arguments")),
        "thread_total": read_number(document.body.get("thread_total")) if document else None,
    }
    return render_part(request, context, "client_processes")


@require_GET
@page(Permission.VIEW)
def show_client_connections(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id)
    document = find_document(client.id, "connections")
    found = list_connection_rows(document) if document else []
    kept = search_rows(found, read_search(request), describe_connection)
    rows, sort = order_table(
        kept, request.GET.get("sort", ""), CONNECTION_COLUMNS, default="direction"
    )
    context = {
        **describe_head(request, client, "connections"),
        **describe_document(request, document),
        "rows": rows,
        "sort": sort,
    }
    return render_part(request, context, "client_connections")


def describe_document(request: PageRequest, document: Document | None) -> dict[str, object]:
    """What both pages say of the document as a whole."""
    described: dict[str, object] = {"document": document, "search": read_search(request)}
    if document is None:
        return described
    body = document.body
    return {
        **described,
        "total": read_number(body.get("total")),
        "left_out": read_number(body.get("left_out")) or 0,
        "states": list_counts(body.get("states")),
        "missing": list_missing(document),
    }


def read_search(request: PageRequest) -> str:
    return request.GET.get("q", "").strip()[:LONGEST_SEARCH]
