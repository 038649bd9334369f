"""The part of a client's API that is about its keys."""

from datetime import timedelta
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.policy import Permission
from apps.clients.api.serializers import (
    KeySerializer,
    RevokedKeysSerializer,
    RotatedKeySerializer,
    RotationSerializer,
)
from apps.clients.selectors import get_client, get_key
from apps.clients.services import add_key, clear_clone, revoke_key, revoke_keys, rotate_key


class KeyActions:
    """Actions of a viewset of clients."""

    read_permission = Permission.VIEW

    @extend_schema(
        tags=["clients"],
        summary="List the keys of a client",
        description="Their prefixes only: the secrets are kept nowhere.",
        responses=KeySerializer(many=True),
    )
    @action(
        detail=True,
        methods=["get"],
        pagination_class=None,
        filter_backends=[],
        read_permission=Permission.OPERATE,
    )
    def keys(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id, Permission.OPERATE)
        return Response(KeySerializer(client.keys.all(), many=True).data)

    @extend_schema(
        tags=["clients"],
        summary="Give the client one more key",
        description="The earlier keys go on working. A client has at most 10 valid keys.",
        request=None,
        responses={201: RotatedKeySerializer},
    )
    @keys.mapping.post
    def add_key(self, request: Request, id: UUID) -> Response:
        secret = add_key(client=get_client(request.user, id, Permission.OPERATE))
        return Response({"key": secret}, status=201)

    @extend_schema(
        tags=["clients"],
        summary="End one key of a client",
        request=None,
        responses=KeySerializer,
    )
    @action(detail=True, methods=["post"], url_path="keys/<str:prefix>/revoke")
    def revoke_key(self, request: Request, id: UUID, prefix: str) -> Response:
        client = get_client(request.user, id, Permission.OPERATE)
        revoke_key(client=client, key=get_key(client, prefix))
        return Response(KeySerializer(get_key(client, prefix)).data)

    @extend_schema(
        tags=["clients"],
        summary="Give the agent a new key",
        description="The earlier keys go on working for ten minutes, unless said otherwise.",
        request=RotationSerializer,
        responses={201: RotatedKeySerializer},
        examples=[OpenApiExample("at once", value={"overlap_seconds": 0}, request_only=True)],
    )
    @action(detail=True, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id, Permission.OPERATE)
        asked = RotationSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        overlap = timedelta(seconds=asked.validated_data["overlap_seconds"])
        return Response({"key": rotate_key(client=client, overlap=overlap)}, status=201)

    @extend_schema(
        tags=["clients"],
        summary="Lock the agent out",
        description="All its keys stop working within seconds.",
        request=None,
        responses=RevokedKeysSerializer,
    )
    @action(detail=True, methods=["post"], url_path="revoke-keys")
    def revoke_keys(self, request: Request, id: UUID) -> Response:
        count = revoke_keys(client=get_client(request.user, id, Permission.OPERATE))
        return Response({"revoked": count})

    @extend_schema(
        tags=["clients"],
        summary="Take back the suspicion of a clone",
        description="It comes up again when two agents go on using one key.",
        request=None,
        responses={204: None},
    )
    @action(detail=True, methods=["post"], url_path="clear-clone")
    def clear_clone(self, request: Request, id: UUID) -> Response:
        clear_clone(client=get_client(request.user, id, Permission.OPERATE))
        return Response(status=204)
