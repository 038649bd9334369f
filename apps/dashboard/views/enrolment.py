from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.clients.selectors import get_enrolment_token, list_enrolment_tokens
from apps.clients.services import issue_enrolment_token, revoke_enrolment_token
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.dashboard.forms.clients import EnrolmentForm
from apps.dashboard.selectors.enrolment import list_enrolled
from apps.dashboard.topics import OVERVIEW
from apps.dashboard.views.access import PageRequest, page

TOKENS_SHOWN = 20


@require_http_methods(["GET", "POST"])
@never_cache
@page(Permission.OPERATE)
def enrol(request: PageRequest) -> HttpResponse:
    """Make a token; its secret stands on the answer and never again."""
    form = EnrolmentForm(request.POST or None, user=request.user)
    if form.is_valid():
        try:
            token, secret = issue_enrolment_token(**form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            context = {
                "token": token,
                "command": build_command(request, secret),
                "topics": [OVERVIEW],
            }
            return render(request, "dashboard/enrol_command.html", context)
    context = {
        "form": form,
        "tokens": list_enrolment_tokens(request.user)[:TOKENS_SHOWN],
        "now": read_now(),
    }
    return render(request, "dashboard/enrol.html", context, status=422 if form.errors else 200)


def build_command(request: PageRequest, secret: str) -> str:
    server = settings.BASE_URL or f"{request.scheme}://{request.get_host()}"
    return (
        "python3 -m pip install ./agent"
        f" && streamswarm-agent enrol --server {server} --token {secret}"
        " && streamswarm-agent run"
    )


@require_GET
@page(Permission.OPERATE)
def show_enrolled(request: PageRequest, token_id: int) -> HttpResponse:
    """The clients that came in with the token so far, for the waiting page."""
    token = get_enrolment_token(request.user, token_id)
    context = {"token": token, "clients": list_enrolled(request.user, token)}
    return render(request, "dashboard/partials/_enrolled.html", context)


@require_POST
@page(Permission.OPERATE)
def revoke_token(request: PageRequest, token_id: int) -> HttpResponse:
    revoke_enrolment_token(token=get_enrolment_token(request.user, token_id))
    messages.success(request, _("The token is revoked."))
    return redirect("dashboard:enrol")
