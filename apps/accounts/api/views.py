from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.api.permissions import holds
from apps.accounts.api.serializers import (
    IssuedTokenSerializer,
    NewTokenSerializer,
    TokenSerializer,
)
from apps.accounts.models import Token, User
from apps.accounts.policy import Permission
from apps.accounts.selectors import (
    list_own_tokens,
    list_tokens,
    pick_token,
)
from apps.accounts.services import create_token, revoke_token
from apps.core.errors import NotAuthenticated, Refused


@extend_schema_view(
    list=extend_schema(
        tags=["accounts"],
        summary="List your API tokens",
        description="An administrator (with the scope `admin`, when by token) gets everybody's.",
    ),
    create=extend_schema(
        tags=["accounts"],
        summary="Make an API token",
        description="The secret is in the answer and never shown again. Needs a session: a token "
        "makes no tokens.",
        request=NewTokenSerializer,
        responses={201: IssuedTokenSerializer},
        examples=[
            OpenApiExample(
                "read-only",
                value={"name": "Grafana", "scopes": ["read"], "days": 90},
                request_only=True,
            )
        ],
    ),
    destroy=extend_schema(tags=["accounts"], summary="Revoke an API token"),
)
class TokenViewSet(ListModelMixin, GenericViewSet[Token]):
    queryset = Token.objects.none()
    serializer_class = TokenSerializer
    # Everybody may have tokens; they never allow more than their user's roles.
    write_permission = Permission.VIEW
    lookup_url_kwarg = "id"
    lookup_field = "token_key"
    ordering_fields = ["name", "created", "expiry", "last_used_at"]

    def get_queryset(self) -> QuerySet[Token]:
        if holds(self.request, Permission.ADMINISTER):
            return list_tokens(self.request.user)
        return list_own_tokens(self.request.user)

    def create(self, request: Request) -> Response:
        if not isinstance(request.user, User):
            raise NotAuthenticated("not_authenticated", "Sign in first.")
        if isinstance(request.auth, Token):
            raise Refused("refused", "A token makes no tokens; sign in to make one.")
        asked = NewTokenSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        token, secret = create_token(
            user=request.user,
            name=asked.validated_data["name"],
            scopes=asked.validated_data["scopes"],
            life=asked.read_life(),
        )
        answer: dict[str, Any] = {**TokenSerializer(token).data, "token": secret}
        return Response(answer, status=201)

    def destroy(self, _request: Request, id: str) -> Response:
        revoke_token(token=pick_token(self.get_queryset(), id))
        return Response(status=204)
