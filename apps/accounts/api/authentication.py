from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

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

    def authenticate_credentials(self, token: bytes) -> Any:
        # Knox would stumble over bytes that are no text, PostgreSQL over a NUL.
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its own
    target_class = "apps.accounts.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token made on /api/v1/tokens/ or by `manage.py token create`.",
        }
