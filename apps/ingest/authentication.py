"""An agent proves which client it is by its key; nothing in a body says so."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.core.database import translate_faults
from apps.core.errors import NotAuthenticated
from apps.ingest.known_keys import KNOWN_KEYS

SCHEME = "Agent "


@dataclass(frozen=True, slots=True)
class AgentIdentity:
    """The client that the request's key belongs to, in the place of a user."""

    client_id: UUID
    client_name: str
    is_authenticated: bool = True


def identify_agent(header: str) -> AgentIdentity:
    """The client of an Authorization header.

    Raises: NotAuthenticated(key_unknown | key_revoked | key_expired).
    """
    if not header.startswith(SCHEME) or not header.isprintable():
        raise NotAuthenticated("key_unknown", "The header Authorization: Agent <key> is missing.")
    secret = header.removeprefix(SCHEME).strip()
    with translate_faults():
        holder = KNOWN_KEYS.identify(secret)
    return AgentIdentity(holder.client_id, holder.client_name)


class AgentAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[AgentIdentity, None]:
        return identify_agent(request.META.get("HTTP_AUTHORIZATION", "")), None

    def authenticate_header(self, request: Request) -> str:
        return "Agent"


class IsAgent(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        identity: Any = request.user
        return isinstance(identity, AgentIdentity)
