"""What administrators do to users; every change is a service's, which audits it."""

from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.accounts.selectors import get_user, list_users
from apps.core.errors import Conflict, Invalid
from apps.dashboard.forms.users import RoleForm, UserForm
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.users import render_user, show_password_link


@require_POST
@page(Permission.ADMINISTER)
def change_user(request: PageRequest, user_id: int) -> HttpResponse:
    person = get_user(request.user, user_id)
    form = UserForm(request.POST)
    if form.is_valid():
        try:
            services.change_user(user=person, **form.cleaned_data)
        except Invalid as error:
            form.take_errors(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("dashboard:user", user_id)
    stored = get_user(request.user, user_id)
    role_form = RoleForm(prefix="role")
    return render_user(request, stored, form=form, role_form=role_form, status=422)


@require_POST
@page(Permission.ADMINISTER)
def add_role(request: PageRequest, user_id: int) -> HttpResponse:
    person = get_user(request.user, user_id)
    role_form = RoleForm(request.POST, prefix="role")
    if role_form.is_valid():
        try:
            services.add_role(user=person, grant=role_form.read_grant())
        except (Conflict, Invalid) as error:
            role_form.take_errors(error)
        else:
            messages.success(request, _("The role counts from now on."))
            return redirect("dashboard:user", user_id)
    stored = get_user(request.user, user_id)
    names = ("username", "first_name", "last_name", "email")
    form = UserForm(initial={name: getattr(stored, name) for name in names})
    return render_user(request, stored, form=form, role_form=role_form, status=422)


@require_POST
@page(Permission.ADMINISTER)
def remove_role(request: PageRequest, user_id: int, role_id: int) -> HttpResponse:
    person = get_user(request.user, user_id)
    try:
        services.remove_role(user=person, role_id=role_id)
    except Conflict as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("The role is gone from now on."))
    return redirect_after(request, "dashboard:user", user_id)


@require_POST
@never_cache
@page(Permission.ADMINISTER)
def make_password_link(request: PageRequest, user_id: int) -> HttpResponse:
    """A link that sets a new password, shown on this page and never again."""
    person = get_user(request.user, user_id)
    is_mailed = request.POST.get("by_mail") == "yes" and bool(person.email)
    return show_password_link(request, person, is_mailed=is_mailed)


def deactivate(person: User) -> str:
    services.deactivate_user(user=person)
    return _("%(user)s is locked out.") % {"user": person.username}


def reactivate(person: User) -> str:
    services.reactivate_user(user=person)
    return _("%(user)s may sign in again.") % {"user": person.username}


def end_sessions(person: User) -> str:
    count = services.end_sessions(user=person)
    text = ngettext("%(count)d session has ended.", "%(count)d sessions have ended.", count)
    return text % {"count": count}


def reset_second_factor(person: User) -> str:
    if services.reset_second_factor(user=person):
        return _("The second factor is gone; it can be set up anew after signing in.")
    return _("There was no second factor.")


def delete(person: User) -> str:
    services.delete_user(user=person)
    return _("%(user)s is deleted.") % {"user": person.username}


DEEDS: Mapping[str, Callable[[User], str]] = {
    "deactivate": deactivate,
    "reactivate": reactivate,
    "end-sessions": end_sessions,
    "reset-second-factor": reset_second_factor,
    "delete": delete,
}


@require_POST
@page(Permission.ADMINISTER)
def act_on_user(request: PageRequest, user_id: int, deed: str) -> HttpResponse:
    if deed not in DEEDS:
        raise Http404
    person = get_user(request.user, user_id)
    try:
        messages.success(request, DEEDS[deed](person))
    except Conflict as error:
        messages.error(request, error.detail)
        return redirect("dashboard:user", user_id)
    if deed == "delete":
        return redirect_after(request, "dashboard:users")
    return redirect_after(request, "dashboard:user", user_id)


def redirect_after(request: PageRequest, name: str, *arguments: int) -> HttpResponse:
    """To that page, or to the overview for somebody who gave up the right to see it."""
    left = User.objects.filter(pk=request.user.pk).first()
    may_stay = left is not None and list_users(left).exists()
    return redirect(name, *arguments) if may_stay else redirect("dashboard:overview")
