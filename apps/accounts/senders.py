"""What a request says about who sends it."""

from django.http import HttpRequest

from apps.accounts.actors import Actor
from apps.accounts.adapter import UNKNOWN_ADDRESS
from apps.accounts.models import AuditEntry, User
from apps.accounts.services.sessions import Visit
from apps.core.addresses import read_client_address

DOORS = {"/admin/": AuditEntry.Via.ADMIN, "/api/": AuditEntry.Via.API}


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
    return Actor(label=label, via=via, user=signed_in, address=read_client_address(request))


def describe_visit(request: HttpRequest) -> Visit:
    """Where the request's session is used from; a session without a key yet is stored first."""
    if not request.session.session_key:
        request.session.save()
    return Visit(
        session_key=request.session.session_key or "",
        address=read_client_address(request) or UNKNOWN_ADDRESS,
        user_agent=request.META.get("HTTP_USER_AGENT", "").replace("\x00", ""),
    )
