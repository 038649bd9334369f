from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts import services
from apps.accounts.links import build_password_link
from apps.accounts.models import Role, User
from apps.accounts.policy import Permission
from apps.accounts.profile import list_own_sessions
from apps.accounts.queueing import queue_password_link
from apps.accounts.selectors import (
    get_user,
    list_invitations,
    list_users,
    match_invitation_state,
    match_role,
    match_second_factor,
    match_user_text,
)
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.dashboard.forms.users import RoleForm, RoleFormSet, UserForm, read_grants
from apps.dashboard.listing import order_rows, take_page
from apps.dashboard.selectors.users import describe_effect, describe_roles, load_place_names
from apps.dashboard.views.access import PageRequest, page

COLUMNS = {
    "name": "username",
    "email": "email",
    "active": "is_active",
    "seen": "last_login",
    "since": "date_joined",
}
FILTERS = ("q", "role", "active", "factor")
YES_OR_NO = {"yes": True, "no": False}


@require_GET
@page(Permission.ADMINISTER)
def list_users_page(request: PageRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in FILTERS}
    rows = match_user_text(list_users(request.user), filters["q"])
    if filters["role"] in {*Role.Name.values, "none"}:
        rows = match_role(rows, filters["role"])
    if filters["active"] in YES_OR_NO:
        rows = rows.filter(is_active=YES_OR_NO[filters["active"]])
    if filters["factor"] in YES_OR_NO:
        rows = match_second_factor(rows, has_one=YES_OR_NO[filters["factor"]])
    rows, sort = order_rows(rows, request.GET.get("sort", ""), COLUMNS, default="name")
    listed, users = take_page(rows, request.GET.get("page"))
    names = load_place_names()
    context = {
        "page": listed,
        "rows": [(user, describe_roles(user.roles.all(), names)) for user in users],
        "sort": sort,
        "filters": filters,
        "is_filtered": any(filters.values()),
        "roles": [*Role.Name.choices, ("none", _("Without a role"))],
        "tab": "users",
        "open_count": count_open(request),
    }
    template = "dashboard/partials/_users.html" if request.htmx else "dashboard/users.html"
    return render(request, template, context)


def count_open(request: PageRequest) -> int:
    """How many invitations wait to be accepted."""
    rows, now = list_invitations(request.user), read_now()
    return sum(match_invitation_state(rows, state, now).count() for state in ("open", "fault"))


@require_http_methods(["GET", "POST"])
@never_cache
@page(Permission.ADMINISTER)
def make_user(request: PageRequest) -> HttpResponse:
    """A new user; the link by which it gets a password stands on the answer and never again."""
    form, roles = UserForm(request.POST or None), RoleFormSet(request.POST or None)
    if form.is_valid() and roles.is_valid():
        try:
            user = services.create_user(**form.cleaned_data, grants=read_grants(roles))
        except Invalid as error:
            form.take_errors(error)
        else:
            return show_password_link(request, user, is_mailed=False)
    context = {"form": form, "roles": roles}
    status = 422 if form.errors or any(roles.errors) else 200
    return render(request, "dashboard/user_new.html", context, status=status)


def show_password_link(request: PageRequest, user: User, *, is_mailed: bool) -> HttpResponse:
    """A page with a fresh link, mailed too on demand."""
    link, secret = services.issue_password_link(user=user)
    address = build_password_link(request, secret)
    is_queued = is_mailed and queue_password_link(link=link, address=address)
    context = {
        "person": user,
        "link": address,
        "expires_at": link.expires_at,
        "is_mailed": is_mailed,
        "is_queued": is_queued,
    }
    return render(request, "dashboard/user_link.html", context)


@require_GET
@page(Permission.ADMINISTER)
def show_user(request: PageRequest, user_id: int) -> HttpResponse:
    person = get_user(request.user, user_id)
    names = ("username", "first_name", "last_name", "email")
    form = UserForm(initial={name: getattr(person, name) for name in names})
    return render_user(request, person, form=form, role_form=RoleForm(prefix="role"))


def render_user(
    request: PageRequest, person: User, *, form: UserForm, role_form: RoleForm, status: int = 200
) -> HttpResponse:
    names = load_place_names()
    context = {
        "person": person,
        "form": form,
        "role_form": role_form,
        "roles": describe_roles(person.roles.order_by("id"), names),
        "effect": describe_effect(person, names),
        "session_count": list_own_sessions(person).count(),
        "is_self": person.pk == request.user.pk,
    }
    return render(request, "dashboard/user.html", context, status=status)
