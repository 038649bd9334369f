"""What operators do to clients; every change is a service's, which audits it."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission
from apps.clients import services
from apps.clients.models import Client
from apps.clients.selectors import get_client, get_key
from apps.core.errors import Conflict, FieldError, Invalid
from apps.dashboard.formats import format_period
from apps.dashboard.forms.clients import (
    OVERLAP_SECONDS,
    ClientForm,
    RotationForm,
    describe_client_form,
)
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.clients import describe_head, render_settings


@require_POST
@page(Permission.OPERATE)
def change_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    form = ClientForm(request.POST, user=request.user)
    if form.is_valid():
        try:
            services.change_client(client=client, **form.cleaned_data)
        except (Conflict, Invalid) as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("dashboard:client-settings", client.id)
    response = render_settings(request, client, form)
    response.status_code = 422
    return response


@require_POST
@page(Permission.OPERATE)
def delete_client(request: PageRequest, client_id: UUID) -> HttpResponse:
    """Takes the client away when its name was typed."""
    client = get_client(request.user, client_id, Permission.OPERATE)
    name = client.name
    if request.POST.get("name", "").strip() != name:
        form = ClientForm(user=request.user, initial=describe_client_form(client))
        error = _("Type the name of the client as it stands above.")
        response = render_settings(request, client, form, delete_error=error)
        response.status_code = 422
        return response
    services.delete_client(client=client)
    text = _("%(client)s is deleted; its history is removed in the background.")
    messages.success(request, text % {"client": name})
    return redirect("dashboard:clients")


@require_POST
@never_cache
@page(Permission.OPERATE)
def rotate_key(request: PageRequest, client_id: UUID) -> HttpResponse:
    """A new key, shown on this page and never again."""
    client = get_client(request.user, client_id, Permission.OPERATE)
    form = RotationForm({"overlap_seconds": request.POST.get("overlap_seconds", OVERLAP_SECONDS)})
    if not form.is_valid():
        raise Invalid([FieldError("overlap_seconds", "unknown", "must be one of the choices")])
    seconds = form.cleaned_data["overlap_seconds"]
    secret = services.rotate_key(client=client, overlap=timedelta(seconds=seconds))
    return show_key(request, client, secret, format_period(seconds) if seconds else "")


@require_POST
@never_cache
@page(Permission.OPERATE)
def add_key(request: PageRequest, client_id: UUID) -> HttpResponse:
    """One more key, shown on this page and never again."""
    client = get_client(request.user, client_id, Permission.OPERATE)
    return show_key(request, client, services.add_key(client=client), None)


def show_key(
    request: PageRequest, client: Client, secret: str, overlap: str | None
) -> HttpResponse:
    """`overlap`: how long earlier keys work on; empty for not at all, None for without an end."""
    context = {
        **describe_head(request, client, "settings"),
        "secret": secret,
        "overlap": overlap,
        "keeps_others": overlap is None,
    }
    return render(request, "dashboard/client_key.html", context)


@require_POST
@page(Permission.OPERATE)
def revoke_key(request: PageRequest, client_id: UUID, prefix: str) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    services.revoke_key(client=client, key=get_key(client, prefix))
    messages.success(request, _("The key %(prefix)s… is revoked.") % {"prefix": prefix})
    return redirect("dashboard:client-settings", client.id)


@require_POST
@page(Permission.OPERATE)
def revoke_keys(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    count = services.revoke_keys(client=client)
    text = ngettext("%(count)d key is revoked.", "%(count)d keys are revoked.", count)
    messages.success(request, text % {"count": count})
    return redirect("dashboard:client-settings", client.id)


@require_POST
@page(Permission.OPERATE)
def clear_clone(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    services.clear_clone(client=client)
    messages.success(request, _("The warning is taken back."))
    return redirect("dashboard:client", client.id)
