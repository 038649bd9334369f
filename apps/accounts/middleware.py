from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from apps.accounts.actors import act_as
from apps.accounts.models import User
from apps.accounts.profile import require_second_factor
from apps.accounts.senders import describe_actor, describe_visit
from apps.accounts.services.sessions import is_over, note_activity
from apps.core.errors import Refused
from apps.core.http import answer_error
from apps.core.storage_state import read_storage_fault

# The admin's scripts evaluate expressions in its pages; still nothing comes from another host.
ADMIN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# What somebody without the second factor needs in order to set it up, or to leave.
OPEN_WITHOUT_FACTOR = (
    "/profile/security/",
    "/preferences/",
    "/accounts/logout/",
    "/static/",
    "/healthz",
    "/readyz",
    "/api/v1/agent/",
)


class SessionLimitMiddleware:
    """Ends a session that was idle or open for too long, before anybody asks whose it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.get(SESSION_KEY):
            if is_over(request.session):
                request.session.flush()
                request.user = AnonymousUser()
            elif may_note(request) and isinstance(request.user, User):
                visit = describe_visit(request)
                note_activity(session=request.session, user=request.user, visit=visit)
        return self.get_response(request)


def may_note(request: HttpRequest) -> bool:
    """Whether this is activity, and there is room to write that down: pages do not fail for it."""
    fault = read_storage_fault()
    return is_activity(request) and (fault is None or fault.is_reserve)


def is_activity(request: HttpRequest) -> bool:
    """Whether a person did this by opening a page or acting, not a page keeping itself fresh.

    Pages say with what they fetch whether somebody used them lately.
    """
    if request.method not in SAFE_METHODS or request.headers.get("X-User-Active") == "1":
        return True
    is_part = "HX-Request" in request.headers
    return not is_part and "text/html" in request.headers.get("Accept", "")


class SecondFactorMiddleware:
    """Leads administrators without the second factor that is required to its set-up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(OPEN_WITHOUT_FACTOR) and not is_by_bearer(request):
            try:
                require_second_factor(request.user)
            except Refused as error:
                return lead_to_second_factor(request, error)
        return self.get_response(request)


def is_by_bearer(request: HttpRequest) -> bool:
    """Whether the API will ask a token, not the session, who this is."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return request.path.startswith("/api/v1/") and scheme.lower() == "bearer"


def lead_to_second_factor(request: HttpRequest, error: Refused) -> HttpResponse:
    if request.path.startswith("/api/"):
        return answer_error(request, error, page_request=None)
    address = reverse("dashboard:set-up-authenticator")
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(address)
    return HttpResponseRedirect(address)


class ActorMiddleware:
    """Notes who sent the request, for the audit; API tokens correct it once they are read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with act_as(describe_actor(request)):
            return self.get_response(request)


class AdminPolicyMiddleware:
    """The admin's own Content-Security-Policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            response["Content-Security-Policy"] = ADMIN_POLICY
        return response
