"""An agent proves which client it is by its key; nothing in a body says so."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.cache import cache
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from apps.clients.services import identify_key
from apps.core.database import translate_faults
from apps.core.errors import NotAuthenticated

SCHEME = "Agent "
# A revoked key may live on for this long in a process that has just seen it.
CACHE_SECONDS = 2


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
    name = f"agent:{hashlib.sha256(secret.encode('utf-8', 'replace')).hexdigest()}"
    known: AgentIdentity | None = cache.get(name)
    if known is None:
        with translate_faults():
            holder = identify_key(secret)
        known = AgentIdentity(holder.client_id, holder.client_name)
        cache.set(name, known, CACHE_SECONDS)
    return known


class AgentAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[AgentIdentity, None]:
        return identify_agent(request.META.get("HTTP_AUTHORIZATION", "")), None

    def authenticate_header(self, request: Request) -> str:
        return "Agent"


class IsAgent(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        identity: Any = request.user
        return isinstance(identity, AgentIdentity)
