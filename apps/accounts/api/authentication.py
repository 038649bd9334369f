from typing import Any

from django.http import HttpRequest
from knox.auth import TokenAuthentication

from apps.accounts.actors import replace_actor
from apps.accounts.middleware import describe_actor
from apps.accounts.services import note_token_use


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """`Authorization: Bearer TOKEN`; the token's scopes are checked by PolicyPermission."""

    def authenticate(self, request: HttpRequest) -> Any:
        answer = super().authenticate(request)
        if answer is not None:
            user, token = answer
            note_token_use(token)
            replace_actor(describe_actor(request, user))
        return answer
