"""What operators do to clients; every change is a service's, which audits it."""

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
from apps.clients.selectors import get_client
from apps.core.errors import Conflict, Invalid
from apps.dashboard.forms.clients import ClientForm
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
    client = get_client(request.user, client_id, Permission.OPERATE)
    services.delete_client(client=client)
    messages.success(request, _("%(client)s is deleted.") % {"client": client.name})
    return redirect("dashboard:clients")


@require_POST
@never_cache
@page(Permission.OPERATE)
def rotate_key(request: PageRequest, client_id: UUID) -> HttpResponse:
    """A new key, shown on this page and never again."""
    client = get_client(request.user, client_id, Permission.OPERATE)
    secret = services.rotate_key(client=client)
    context = {**describe_head(request, client, "settings"), "secret": secret}
    return render(request, "dashboard/client_key.html", context)


@require_POST
@page(Permission.OPERATE)
def revoke_keys(request: PageRequest, client_id: UUID) -> HttpResponse:
    client = get_client(request.user, client_id, Permission.OPERATE)
    count = services.revoke_keys(client=client)
    text = ngettext("%(count)d key is revoked.", "%(count)d keys are revoked.", count)
    messages.success(request, text % {"count": count})
    return redirect("dashboard:client-settings", client.id)
