"""What a page needs before its view: a user on this server, and that user's clock."""

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone, translation

from apps.accounts.models import User
from apps.accounts.services import is_setup_open

# Programs, files and set-up itself come through while nobody has an account yet.
WITHOUT_SETUP = ("/api/", "/static/", "/healthz", "/readyz", "/setup/")
WITHOUT_PREFERENCES = ("/api/v1/", "/api/schema/", "/static/", "/healthz", "/readyz")


class PreferencesMiddleware:
    """Leads to set-up while there is no user; speaks the user's language, in the user's zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if must_set_up(request):
            return HttpResponseRedirect(reverse("dashboard:setup"))
        if request.path.startswith(WITHOUT_PREFERENCES) or not isinstance(request.user, User):
            return self.get_response(request)
        language = request.user.language or translation.get_language()
        with timezone.override(find_zone(request.user)), translation.override(language):
            return self.get_response(request)


def must_set_up(request: HttpRequest) -> bool:
    if request.path.startswith(WITHOUT_SETUP) or request.user.is_authenticated:
        return False
    return is_setup_open()


def find_zone(user: User) -> zoneinfo.ZoneInfo:
    """The user's time zone; the server's for a user without one, or with one unknown here."""
    try:
        return zoneinfo.ZoneInfo(user.time_zone or settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)
