from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts import services
from apps.accounts.links import build_invitation_link
from apps.accounts.models import Invitation
from apps.accounts.policy import Permission
from apps.accounts.queueing import queue_invitation
from apps.accounts.selectors import (
    INVITATION_STATES,
    find_invitation,
    find_password_link,
    get_invitation,
    list_invitations,
    match_invitation_state,
    name_invitation_state,
)
from apps.core.clock import read_now
from apps.core.errors import Conflict, Invalid, NotFound
from apps.dashboard.forms.users import (
    AcceptForm,
    InvitationForm,
    NewPasswordForm,
    RoleFormSet,
    read_grants,
)
from apps.dashboard.listing import take_page
from apps.dashboard.selectors.users import describe_waiting_roles, load_place_names
from apps.dashboard.views.access import PageRequest, page


@require_GET
@page(Permission.ADMINISTER)
def list_invitations_page(request: PageRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("q", "state")}
    now = read_now()
    rows = list_invitations(request.user)
    if filters["q"]:
        rows = rows.filter(email__icontains=filters["q"])
    if filters["state"] in INVITATION_STATES:
        rows = match_invitation_state(rows, filters["state"], now)
    listed, invitations = take_page(rows, request.GET.get("page"))
    names = load_place_names()
    context = {
        "page": listed,
        "rows": [
            (row, name_invitation_state(row, now), describe_waiting_roles(row.roles, names))
            for row in invitations
        ],
        "filters": filters,
        "is_filtered": any(filters.values()),
        "states": INVITATION_STATES,
        "tab": "invitations",
    }
    part = "partials/_invitations.html" if request.htmx else "invitations.html"
    return render(request, f"dashboard/{part}", context)


@require_http_methods(["GET", "POST"])
@never_cache
@page(Permission.ADMINISTER)
def invite(request: PageRequest) -> HttpResponse:
    """Invite somebody; the link stands on the answer and never again."""
    form, roles = InvitationForm(request.POST or None), RoleFormSet(request.POST or None)
    if form.is_valid() and roles.is_valid():
        try:
            invitation, secret = services.invite(
                **form.cleaned_data, grants=read_grants(roles), invited_by=request.user
            )
        except Invalid as error:
            form.take_errors(error)
        else:
            return show_link(request, invitation, secret)
    context = {"form": form, "roles": roles}
    status = 422 if form.errors or any(roles.errors) else 200
    return render(request, "dashboard/invitation_new.html", context, status=status)


def show_link(request: PageRequest, invitation: Invitation, secret: str) -> HttpResponse:
    link = build_invitation_link(request, secret)
    queue_invitation(invitation=invitation, link=link)
    context = {"invitation": invitation, "link": link}
    return render(request, "dashboard/invitation_link.html", context)


@require_POST
@never_cache
@page(Permission.ADMINISTER)
def resend_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    invitation = get_invitation(request.user, invitation_id)
    try:
        secret = services.renew_invitation(invitation=invitation)
    except Conflict as error:
        messages.error(request, error.detail)
        return redirect("dashboard:invitations")
    return show_link(request, invitation, secret)


@require_POST
@page(Permission.ADMINISTER)
def revoke_invitation(request: PageRequest, invitation_id: int) -> HttpResponse:
    invitation = get_invitation(request.user, invitation_id)
    try:
        services.revoke_invitation(invitation=invitation)
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("The invitation is withdrawn; its link is void."))
    return redirect("dashboard:invitations")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
def accept_invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """The page behind an invitation's link: an account is made, then its owner signs in."""
    try:
        invitation = find_invitation(secret)
    except NotFound as error:
        return refuse_link(request, error)
    form = AcceptForm(request.POST or None)
    if form.is_valid():
        wanted = {name: form.cleaned_data[name] for name in form.fields}
        del wanted["password_again"]
        try:
            services.accept_invitation(secret=secret, **wanted)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Your account is made. Sign in with it."))
            return redirect("account_login")
    context = {
        "form": form,
        "invitation": invitation,
        "roles": describe_waiting_roles(invitation.roles, load_place_names()),
    }
    status = 422 if form.errors else 200
    return render(request, "dashboard/invitation.html", context, status=status)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
def set_password(request: HttpRequest, secret: str) -> HttpResponse:
    """The page behind a password link; its user signs in afterwards."""
    try:
        link = find_password_link(secret)
    except NotFound as error:
        return refuse_link(request, error)
    form = NewPasswordForm(request.POST or None)
    if form.is_valid():
        try:
            services.set_password_by_link(secret=secret, password=form.cleaned_data["password"])
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Your new password is set. Sign in with it."))
            return redirect("account_login")
    context = {"form": form, "link": link}
    status = 422 if form.errors else 200
    return render(request, "dashboard/invitation_password.html", context, status=status)


def refuse_link(request: HttpRequest, error: NotFound) -> HttpResponse:
    context = {"detail": error.detail}
    return render(request, "dashboard/invitation_void.html", context, status=error.http_status)
