"""Signing in by program: JSON Web Tokens for a user name, a password and a second factor."""

from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from apps.accounts.actors import read_actor, replace_actor
from apps.accounts.models import User
from apps.accounts.profile import find_authenticator
from apps.accounts.senders import describe_actor
from apps.accounts.services.bearers import Pair, issue_pair, renew_pair, revoke_pair
from apps.accounts.services.lockout import forget_failures, require_unlocked
from apps.accounts.services.second_factor import prove_second_factor
from apps.core.errors import Invalid, NotAuthenticated


class CredentialsSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=256, trim_whitespace=False)
    code = serializers.CharField(
        max_length=32,
        required=False,
        help_text="Of the app, or a recovery code; for users who have a second factor.",
    )


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class PairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For `Authorization: Bearer`.")
    refresh = serializers.CharField(help_text="Good once, for the next pair.")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token lives.")


PAIR_EXAMPLE = OpenApiExample(
    "a pair",
    value={"access": "eyJhbGciOi...", "refresh": "eyJhbGciOi...", "expires_in": 600},
    response_only=True,
)


class JwtViewSet(ViewSet):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        tags=["accounts"],
        summary="Sign in for a pair of JSON Web Tokens",
        description="The access token lives 10 minutes and carries the full rights of the user's "
        "roles; the refresh token lives 12 hours. `second_factor_code_required` (401) asks to send "
        "`code` as well.",
        request=CredentialsSerializer,
        responses={200: PairSerializer},
        examples=[
            OpenApiExample(
                "with a second factor",
                value={"username": "ann", "password": "a long sentence", "code": "123456"},
                request_only=True,
            ),
            PAIR_EXAMPLE,
        ],
    )
    def create(self, request: Request) -> Response:
        asked = CredentialsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = sign_in(request, **asked.validated_data)
        return Response(describe_pair(issue_pair(user=user)))

    @extend_schema(
        tags=["accounts"],
        summary="Exchange a refresh token for the next pair",
        description="A refresh token that comes a second time ends all tokens of its sign-in.",
        request=RefreshSerializer,
        responses={200: PairSerializer},
        examples=[
            OpenApiExample("refresh", value={"refresh": "eyJhbGciOi..."}, request_only=True),
            PAIR_EXAMPLE,
        ],
    )
    @action(detail=False, methods=["post"])
    def refresh(self, request: Request) -> Response:
        return Response(describe_pair(renew_pair(refresh_text=read_refresh(request))))

    @extend_schema(
        tags=["accounts"],
        summary="Revoke the tokens of a sign-in",
        description="Its access tokens end at once, too.",
        request=RefreshSerializer,
        responses={204: None},
        examples=[OpenApiExample("refresh", value={"refresh": "eyJhbGciOi..."}, request_only=True)],
    )
    @action(detail=False, methods=["post"])
    def revoke(self, request: Request) -> Response:
        revoke_pair(refresh_text=read_refresh(request))
        return Response(status=204)


def sign_in(request: Request, *, username: str, password: str, code: str = "") -> User:
    """The user who proved to be it.

    Raises: NotAuthenticated saying what is wrong or missing, TooManyRequests while locked out.
    """
    plain = request._request  # noqa: SLF001 - DRF's documented wrapped request
    who = {"username": username, "address": read_actor().address}
    require_unlocked(**who)
    user = authenticate(plain, username=username, password=password)
    if not isinstance(user, User):
        require_unlocked(**who)
        raise NotAuthenticated("wrong_credentials", "That user name or password is not right.")
    if find_authenticator(user) is not None:
        if not code:
            raise NotAuthenticated(
                "second_factor_code_required", "This account has a second factor: send its code."
            )
        try:
            prove_second_factor(user=user, code=code)
        except Invalid as error:
            require_unlocked(**who)
            raise NotAuthenticated("wrong_code", f"The code {error.errors[0].detail}.") from error
    forget_failures(**who)
    replace_actor(describe_actor(plain, user))
    return user


def read_refresh(request: Request) -> str:
    asked = RefreshSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return str(asked.validated_data["refresh"])


def describe_pair(pair: Pair) -> dict[str, object]:
    return {"access": pair.access, "refresh": pair.refresh, "expires_in": pair.life_seconds}
