"""Who may see a page: the one policy, asked before each view."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from apps.accounts.models import User
from apps.accounts.policy import Permission, require
from apps.core.errors import FieldError, Invalid

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A signed-in user's request, as the views behind `page` get it."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[PageRequest, P], HttpResponse]
GuardedView = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(permission: Permission) -> Callable[[View[P]], GuardedView[P]]:
    """A view for those who hold `permission` somewhere; others sign in first, or are refused.

    To administer means everything there is, because users and the audit belong to no place.
    """

    def decorate(view: View[P]) -> GuardedView[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not request.user.is_authenticated:
                return ask_to_sign_in(request)
            is_everywhere = permission == Permission.ADMINISTER
            require(request.user, permission, is_everywhere=is_everywhere)
            check_query(request)
            response = view(request, *args, **kwargs)  # type: ignore[arg-type]  # checked above
            # A part and its whole page share one address; the back button must not mix them up.
            patch_vary_headers(response, ["HX-Request"])
            patch_cache_control(response, private=True, no_cache=True)
            return response

        return cast("GuardedView[P]", guarded)

    return decorate


def check_query(request: HttpRequest) -> None:
    """Raises: Invalid for text in the address that no database takes."""
    errors = [
        FieldError(name.replace("\x00", ""), "bad_text", "must not hold NUL characters")
        for name, values in request.GET.lists()
        if any("\x00" in text for text in (name, *values))
    ]
    if errors:
        raise Invalid(errors)


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(build_sign_in_url(cast("PageRequest", request)))
    return redirect_to_login(request.get_full_path())


def build_sign_in_url(request: PageRequest) -> str:
    """The sign-in page that leads back to the page on which htmx asked for a part."""
    url = reverse("account_login")
    here = request.htmx.current_url_abs_path
    return f"{url}?{urlencode({REDIRECT_FIELD_NAME: here})}" if here else url
