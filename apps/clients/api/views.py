from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission
from apps.clients.api.bulk import BulkActions
from apps.clients.api.filters import ClientFilter
from apps.clients.api.keys import KeyActions
from apps.clients.api.serializers import (
    ClientChangeSerializer,
    ClientDetailSerializer,
    ClientSerializer,
    EnrolmentTokenSerializer,
    IssuedEnrolmentTokenSerializer,
    NewEnrolmentTokenSerializer,
)
from apps.clients.models import Client, EnrolmentToken
from apps.clients.selectors import (
    get_client,
    get_enrolment_token,
    list_clients,
    list_enrolment_tokens,
    require_place,
)
from apps.clients.services import (
    change_client,
    delete_client,
    issue_enrolment_token,
    revoke_enrolment_token,
)


@extend_schema_view(
    list=extend_schema(tags=["clients"], summary="List the clients"),
    retrieve=extend_schema(tags=["clients"], summary="Show a client with its inventory"),
    partial_update=extend_schema(
        tags=["clients"],
        summary="Rename a client, move it to a site, tag it",
        description="What is left out stays as it is. Site and tags are short names (slugs).",
        request=ClientChangeSerializer,
        responses=ClientDetailSerializer,
        examples=[
            OpenApiExample(
                "move",
                value={"site": "vienna", "tags": ["production", "edge"]},
                request_only=True,
            )
        ],
    ),
    destroy=extend_schema(
        tags=["clients"],
        summary="Delete a client and everything measured by it",
        description="It is gone at once; its history is removed within minutes.",
    ),
)
class ClientViewSet(
    KeyActions, BulkActions, ListModelMixin, RetrieveModelMixin, GenericViewSet[Client]
):
    queryset = Client.objects.none()
    filterset_class = ClientFilter
    lookup_field = "id"
    lookup_value_converter = "uuid"
    ordering_fields = [
        "name", "hostname", "operating_system", "site__name", "presence", "presence_since",
        "last_heartbeat_at", "last_address", "agent_version", "enrolled_at", "spool_depth",
        "clock_offset_seconds",
    ]  # fmt: skip

    def get_queryset(self) -> QuerySet[Client]:
        rows = list_clients(self.request.user)
        return rows if self.action == "list" else rows.prefetch_related("interfaces")

    def get_serializer_class(self) -> type[BaseSerializer[Client]]:
        return ClientSerializer if self.action == "list" else ClientDetailSerializer

    def partial_update(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id, Permission.OPERATE)
        asked = ClientChangeSerializer(
            data=request.data, partial=True, context={"request": request}
        )
        asked.is_valid(raise_exception=True)
        check_place = partial(require_place, request.user)
        change_client(client=client, check_place=check_place, **asked.validated_data)
        return Response(ClientDetailSerializer(get_client(request.user, id)).data)

    def destroy(self, request: Request, id: UUID) -> Response:
        delete_client(client=get_client(request.user, id, Permission.OPERATE))
        return Response(status=204)


@extend_schema_view(
    list=extend_schema(tags=["clients"], summary="List the enrolment tokens"),
    retrieve=extend_schema(tags=["clients"], summary="Show an enrolment token"),
    create=extend_schema(
        tags=["clients"],
        summary="Make an enrolment token",
        description="The secret is in the answer and never shown again.",
        request=NewEnrolmentTokenSerializer,
        responses={201: IssuedEnrolmentTokenSerializer},
        examples=[
            OpenApiExample(
                "for a roll-out",
                value={
                    "name": "vienna roll-out",
                    "life_seconds": 86400,
                    "max_uses": 20,
                    "allowed_network": "10.1.0.0/16",
                    "site": "vienna",
                },
                request_only=True,
            )
        ],
    ),
)
class EnrolmentTokenViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[EnrolmentToken]):
    queryset = EnrolmentToken.objects.none()
    serializer_class = EnrolmentTokenSerializer
    read_permission = Permission.OPERATE
    lookup_field = "id"
    lookup_value_converter = "int"
    ordering_fields = ["created_at", "expires_at", "name"]

    def get_queryset(self) -> QuerySet[EnrolmentToken]:
        return list_enrolment_tokens(self.request.user)

    def create(self, request: Request) -> Response:
        asked = NewEnrolmentTokenSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        wanted: dict[str, Any] = {"tags": [], **asked.validated_data}
        require_place(request.user, wanted["site"], wanted["tags"])
        token, secret = issue_enrolment_token(life=wanted.pop("life_seconds"), **wanted)
        answer = {**EnrolmentTokenSerializer(token).data, "token": secret}
        return Response(answer, status=201)

    @extend_schema(tags=["clients"], summary="Let no more agents in by this token", request=None)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, id: int) -> Response:
        token = get_enrolment_token(request.user, id)
        revoke_enrolment_token(token=token)
        return Response(EnrolmentTokenSerializer(token).data)
