from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry, User

DOORS = {"/admin/": AuditEntry.Via.ADMIN, "/api/": AuditEntry.Via.API}
# The admin's scripts evaluate expressions in its pages; still nothing comes from another host.
ADMIN_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class ActorMiddleware:
    """Notes who sent the request, for the audit; API tokens correct it once they are read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with act_as(describe_actor(request)):
            return self.get_response(request)


def describe_actor(request: HttpRequest, user: User | None = None) -> Actor:
    """The actor of `request`; `user` when something other than the session says who it is."""
    via = AuditEntry.Via.UI
    for prefix, door in DOORS.items():
        if request.path.startswith(prefix):
            via = door
    signed_in = user
    if signed_in is None and request.session.get("_auth_user_id"):
        signed_in = request.user if isinstance(request.user, User) else None
    label = signed_in.get_username() if signed_in else "anonymous"
    return Actor(label=label, via=via, user=signed_in, address=request.META.get("REMOTE_ADDR", ""))


class AdminPolicyMiddleware:
    """The admin's own Content-Security-Policy."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            response["Content-Security-Policy"] = ADMIN_POLICY
        return response
