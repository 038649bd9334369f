"""One action on the clients chosen in their list."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.http.request import QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission
from apps.clients.models import Client
from apps.clients.selectors import pick_clients, require_place, search_clients
from apps.clients.services import (
    MAXIMUM_CLIENTS,
    BulkAction,
    BulkReport,
    act_on_clients,
)
from apps.core.errors import FieldError, Invalid
from apps.dashboard.forms.clients import BulkForm
from apps.dashboard.selectors.clients import measure_history
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.clients import read_client_query

# What cannot be taken back is asked for twice.
DANGEROUS = frozenset({"revoke_keys", "delete"})
NAMES_SHOWN = 20
FILTER_NAMES = frozenset({"q", "presence", "site", "tag", "version", "capability", "clone"})
# What the list's URL also holds, which narrows nothing.
VIEW_NAMES = frozenset({"sort", "size", "page"})


@require_POST
@page(Permission.OPERATE)
def act_on_chosen(request: PageRequest) -> HttpResponse:
    """Does the action to the clients ticked, or to all that match the filter of the URL."""
    try:
        wanted = read_action(request)
        clients = find_chosen(request)
        if wanted["action"] in DANGEROUS and request.POST.get("count") != str(len(clients)):
            return ask_again(request, wanted["action"], clients)
        report = act_on_clients(
            clients=clients,
            action=BulkAction(wanted["action"], list(wanted["tags"]), wanted["site"]),
            check_place=partial(require_place, request.user),
        )
    except Invalid as error:
        messages.error(request, explain(error))
        return redirect(build_list_url(request.GET))
    return show_report(request, report)


def read_action(request: PageRequest) -> dict[str, Any]:
    """Raises: Invalid for an unknown action, site or tag."""
    form = BulkForm(request.POST, user=request.user)
    if not form.is_valid():
        problems = form.errors.get_json_data().items()
        raise Invalid(
            [FieldError(name, "invalid", found[0]["message"]) for name, found in problems]
        )
    return form.cleaned_data


def find_chosen(request: PageRequest) -> list[Client]:
    """The clients that are meant.

    Raises: Invalid for none, for over 1,000, for such as the user does not operate, and for a
    filter that the list does not know.
    """
    if request.POST.get("everything") == "1":
        refuse_unknown_filters(request.GET)
        rows = search_clients(request.user, read_client_query(request.GET), Permission.OPERATE)
        clients = list(rows[: MAXIMUM_CLIENTS + 1])
    else:
        clients = pick_clients(request.user, read_ids(request.POST))
    if not 1 <= len(clients) <= MAXIMUM_CLIENTS:
        detail = _("Choose 1 to %(limit)d clients.") % {"limit": MAXIMUM_CLIENTS}
        raise Invalid([FieldError("clients", "out_of_range", detail)])
    return clients


def refuse_unknown_filters(asked: QueryDict) -> None:
    """Raises: Invalid for a misspelt filter: ignored, it would mean more clients than wanted."""
    unknown = sorted(set(asked) - FILTER_NAMES - VIEW_NAMES)
    if unknown:
        detail = _("The list has no filter %(names)s.") % {"names": ", ".join(unknown)}
        raise Invalid([FieldError("filter", "unknown", detail)])


def read_ids(sent: QueryDict) -> list[UUID]:
    """Raises: Invalid for an id that is none."""
    try:
        return [UUID(text) for text in sent.getlist("client")]
    except ValueError as error:
        detail = _("One of the clients has an id that is none.")
        raise Invalid([FieldError("clients", "malformed", detail)]) from error


def explain(error: Invalid) -> str:
    """The refusal in a sentence without names of fields."""
    detail = "; ".join(item.detail for item in error.errors)
    return f"{detail[:1].upper()}{detail[1:]}"


def ask_again(request: PageRequest, action: str, clients: list[Client]) -> HttpResponse:
    context = {
        "action": action,
        "clients": clients,
        "shown": clients[:NAMES_SHOWN],
        "hidden_count": max(len(clients) - NAMES_SHOWN, 0),
        "history": measure_history([client.id for client in clients]),
        "is_everything": request.POST.get("everything") == "1",
        "was_asked": "count" in request.POST,
        "list_url": build_list_url(request.GET),
        "bulk_url": f"{reverse('dashboard:bulk-clients')}?{request.GET.urlencode()}",
    }
    status = 422 if context["was_asked"] else 200
    return render(request, "dashboard/client_bulk.html", context, status=status)


def show_report(request: PageRequest, report: BulkReport) -> HttpResponse:
    done = ngettext("Done to %(count)d client.", "Done to %(count)d clients.", report.done)
    text = done % {"count": report.done}
    if not report.refused:
        messages.success(request, text)
        return redirect(build_list_url(request.GET))
    context = {"text": text, "report": report, "list_url": build_list_url(request.GET)}
    return render(request, "dashboard/client_bulk_report.html", context)


def build_list_url(asked: QueryDict) -> str:
    query = asked.urlencode()
    return f"{reverse('dashboard:clients')}?{query}" if query else reverse("dashboard:clients")
