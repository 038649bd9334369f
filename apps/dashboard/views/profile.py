"""My Profile: what users see and change of themselves."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.browsers import describe_browser
from apps.accounts.policy import Permission
from apps.accounts.profile import get_own_session, list_own_sessions
from apps.accounts.selectors import list_own_tokens, pick_token
from apps.accounts.services import create_token, revoke_token
from apps.accounts.services.passwords import change_password
from apps.accounts.services.preferences import change_profile
from apps.accounts.services.sessions import end_session, end_sessions, rename_session
from apps.core.clock import read_now
from apps.core.errors import Invalid, StreamSwarmError
from apps.dashboard.forms.base import PageForm
from apps.dashboard.forms.profile import PasswordForm, ProfileForm, TokenForm, describe_profile
from apps.dashboard.views.access import PageRequest, page

REFUSED_STATUS = 422


def take_refusal(form: PageForm, error: StreamSwarmError) -> int:
    """The status of the answer that shows the form with the refusal in it."""
    form.take_errors(error)
    return REFUSED_STATUS if isinstance(error, Invalid) else error.http_status


@require_http_methods(["GET", "POST"])
@page(Permission.VIEW)
def show_profile(request: PageRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, initial=describe_profile(request.user))
    status = REFUSED_STATUS if form.errors else 200
    if form.is_valid():
        try:
            change_profile(user=request.user, changes=form.cleaned_data)
        except Invalid as error:
            # What was tried is still on the user object; the page around the form shows the stored.
            request.user.refresh_from_db()
            status = take_refusal(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("dashboard:profile")
    context = {"form": form, "tab": "profile"}
    return render(request, "dashboard/profile.html", context, status=status)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
@page(Permission.VIEW)
def show_password(request: PageRequest) -> HttpResponse:
    form = PasswordForm(request.POST or None)
    status = REFUSED_STATUS if form.errors else 200
    if form.is_valid():
        old_key = request.session.session_key or ""
        try:
            change_password(
                user=request.user,
                current_password=form.cleaned_data["current_password"],
                new_password=form.cleaned_data["new_password"],
                session_key=old_key,
            )
        except StreamSwarmError as error:
            status = take_refusal(form, error)
        else:
            update_session_auth_hash(request, request.user)
            rename_session(old_key=old_key, new_key=request.session.session_key or "")
            messages.success(request, _("Your password is changed; other sessions have ended."))
            return redirect("dashboard:profile-password")
    context = {"form": form, "tab": "password"}
    return render(request, "dashboard/profile_password.html", context, status=status)


@require_GET
@page(Permission.VIEW)
def show_sessions(request: PageRequest) -> HttpResponse:
    sessions = list(list_own_sessions(request.user))
    rows = [
        {
            "session": session,
            "browser": describe_browser(session.user_agent),
            "is_current": session.session_key == request.session.session_key,
        }
        for session in sessions
    ]
    context = {
        "rows": rows,
        "tab": "sessions",
        "others": sum(not row["is_current"] for row in rows),
    }
    return render(request, "dashboard/profile_sessions.html", context)


@require_POST
@page(Permission.VIEW)
def end_own_session(request: PageRequest, session_id: int) -> HttpResponse:
    session = get_own_session(request.user, session_id)
    end_session(user_session=session)
    if session.session_key == request.session.session_key:
        request.session.flush()
        return redirect("account_login")
    messages.success(request, _("That session has ended."))
    return redirect("dashboard:profile-sessions")


@require_POST
@page(Permission.VIEW)
def end_other_sessions(request: PageRequest) -> HttpResponse:
    count = end_sessions(user=request.user, except_key=request.session.session_key)
    text = ngettext("%(count)d session has ended.", "%(count)d sessions have ended.", count)
    messages.success(request, text % {"count": count})
    return redirect("dashboard:profile-sessions")


@require_http_methods(["GET", "POST"])
@never_cache
@page(Permission.VIEW)
def show_tokens(request: PageRequest) -> HttpResponse:
    """The tokens, and a new one's secret on the answer that made it and never again."""
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "tab": "tokens", "now": read_now()}
    status = REFUSED_STATUS if form.errors else 200
    if form.is_valid():
        try:
            token, context["secret"] = create_token(
                user=request.user,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                life=form.read_life(),
            )
        except Invalid as error:
            status = take_refusal(form, error)
        else:
            context |= {"made": token, "form": TokenForm()}
    context["tokens"] = list_own_tokens(request.user)
    return render(request, "dashboard/profile_tokens.html", context, status=status)


@require_POST
@page(Permission.VIEW)
def revoke_own_token(request: PageRequest, public_id: str) -> HttpResponse:
    token = pick_token(list_own_tokens(request.user), public_id)
    revoke_token(token=token)
    messages.success(request, _("%(token)s is revoked.") % {"token": token.name})
    return redirect("dashboard:profile-tokens")
