from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from apps.accounts.actors import replace_actor
from apps.accounts.models import User
from apps.accounts.profile import require_second_factor
from apps.accounts.senders import describe_actor
from apps.accounts.services import note_token_use
from apps.accounts.services.bearers import find_bearer
from apps.core.errors import NotAuthenticated

JWT_PARTS = 3


def is_jwt(token: bytes) -> bool:
    """Whether the bearer is a JSON Web Token; API tokens are one word without dots."""
    return token.count(b".") == JWT_PARTS - 1


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """`Authorization: Bearer TOKEN`; the token's scopes are checked by PolicyPermission."""

    def authenticate(self, request: HttpRequest) -> Any:
        if is_jwt(get_authorization_header(request)):  # type: ignore[arg-type]  # reads META alone
            return None
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


class JwtAuthentication(BaseAuthentication):
    """`Authorization: Bearer ACCESS` with a JSON Web Token, which has all of its user's rights."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        scheme, _space, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer" or not is_jwt(token):
            return None
        try:
            user, access = find_bearer(access_text=token.decode("latin-1").strip())
        except NotAuthenticated as error:
            raise AuthenticationFailed(error.detail, code=error.code) from error
        replace_actor(describe_actor(request._request, user))  # noqa: SLF001 - DRF's documented wrapped request
        require_second_factor(user)
        return user, access

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its own
    target_class = "apps.accounts.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token made on /api/v1/tokens/ or by `manage.py token create`.",
        }


class JwtScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its own
    target_class = "apps.accounts.api.authentication.JwtAuthentication"
    name = "jwt"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of /api/v1/jwt/: ten minutes with the rights of your "
            "roles; /api/v1/jwt/refresh/ gives the next.",
        }
