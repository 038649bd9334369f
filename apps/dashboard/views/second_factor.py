"""My Profile: setting up, renewing and removing the second factor."""

from typing import Any
from urllib.parse import quote

from allauth.mfa.adapter import get_adapter
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.policy import Permission
from apps.accounts.profile import count_recovery_codes, find_authenticator, needs_second_factor
from apps.accounts.services import second_factor
from apps.core.errors import StreamSwarmError
from apps.dashboard.forms.profile import CodeForm, ConfirmForm
from apps.dashboard.qr import draw_qr
from apps.dashboard.views.access import PageRequest, page
from apps.dashboard.views.profile import REFUSED_STATUS, take_refusal

SECRET_KEY_OF_SESSION = "second_factor_secret"  # noqa: S105 - where a secret is, not one
GROUP_LENGTH = 4


@require_GET
@page(Permission.VIEW)
def show_security(request: PageRequest) -> HttpResponse:
    return render_security(request)


def render_security(
    request: PageRequest, *, status: int = 200, **forms: ConfirmForm
) -> HttpResponse:
    context = {
        "tab": "security",
        "authenticator": find_authenticator(request.user),
        "codes_left": count_recovery_codes(request.user),
        "codes_form": ConfirmForm(auto_id="codes_%s"),
        "removal_form": ConfirmForm(auto_id="removal_%s"),
        **forms,
    }
    return render(request, "dashboard/profile_security.html", context, status=status)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@never_cache
@page(Permission.VIEW)
def set_up_authenticator(request: PageRequest) -> HttpResponse:
    if find_authenticator(request.user) is not None:
        return redirect("dashboard:profile-security")
    secret = request.session.get(SECRET_KEY_OF_SESSION) or second_factor.make_secret()
    request.session[SECRET_KEY_OF_SESSION] = secret
    form = CodeForm(request.POST or None)
    status = REFUSED_STATUS if form.errors else 200
    if form.is_valid():
        try:
            codes = second_factor.turn_on_second_factor(
                user=request.user, secret=secret, code=form.cleaned_data["code"]
            )
        except StreamSwarmError as error:
            status = take_refusal(form, error)
        else:
            del request.session[SECRET_KEY_OF_SESSION]
            messages.success(request, _("The second factor is on."))
            return show_codes(request, codes)
    context = {"tab": "security", "form": form, **describe_secret(request, secret)}
    return render(request, "dashboard/profile_authenticator.html", context, status=status)


def describe_secret(request: PageRequest, secret: str) -> dict[str, Any]:
    url = get_adapter().build_totp_url(request.user, secret)
    groups = [secret[at : at + GROUP_LENGTH] for at in range(0, len(secret), GROUP_LENGTH)]
    return {
        "drawing": draw_qr(url),
        "secret": " ".join(groups),
        "is_required": needs_second_factor(request.user),
    }


def show_codes(request: PageRequest, codes: list[str]) -> HttpResponse:
    """The recovery codes, on this answer and never again."""
    lines = [_("StreamSwarm recovery codes of %s") % request.user.get_username(), "", *codes, ""]
    context = {"tab": "security", "codes": codes, "file": quote("\n".join(lines))}
    return render(request, "dashboard/profile_codes.html", context)


@require_POST
@sensitive_post_parameters()
@never_cache
@page(Permission.VIEW)
def make_recovery_codes(request: PageRequest) -> HttpResponse:
    form = ConfirmForm(request.POST, auto_id="codes_%s")
    status = REFUSED_STATUS
    if form.is_valid():
        try:
            codes = second_factor.make_recovery_codes(user=request.user, **form.cleaned_data)
        except StreamSwarmError as error:
            status = take_refusal(form, error)
        else:
            return show_codes(request, codes)
    return render_security(request, status=status, codes_form=form)


@require_POST
@sensitive_post_parameters()
@page(Permission.VIEW)
def remove_authenticator(request: PageRequest) -> HttpResponse:
    form = ConfirmForm(request.POST, auto_id="removal_%s")
    status = REFUSED_STATUS
    if form.is_valid():
        try:
            second_factor.turn_off_second_factor(user=request.user, **form.cleaned_data)
        except StreamSwarmError as error:
            status = take_refusal(form, error)
        else:
            messages.success(request, _("The second factor is off."))
            return redirect("dashboard:profile-security")
    return render_security(request, status=status, removal_form=form)
