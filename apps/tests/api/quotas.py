"""Limits of users and clients, and how much of them is used."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.clients.models import Client
from apps.core.errors import Conflict, FieldError, Invalid
from apps.tests import services
from apps.tests.algorithms.quotas import Limits
from apps.tests.api.filters import QuotaFilter
from apps.tests.models import Quota
from apps.tests.selectors import get_quota, list_quotas
from apps.tests.services.standings import describe_standings

LIMIT_FIELDS = ("tests", "packets_per_second", "megabits_per_second")
QUOTA_EXAMPLE = OpenApiExample(
    "every client runs at most 20 tests and 2 Mbit/s",
    value={"scope": "client", "tests": 20, "megabits_per_second": 2},
    request_only=True,
)


class LimitsSerializer(serializers.Serializer[Any]):
    tests = serializers.IntegerField(default=None, allow_null=True, help_text="Null: no limit.")
    packets_per_second = serializers.FloatField(default=None, allow_null=True)
    megabits_per_second = serializers.FloatField(default=None, allow_null=True)


class NewQuotaSerializer(LimitsSerializer):
    scope = serializers.ChoiceField(choices=Quota.Scope.choices)
    user = serializers.CharField(
        default=None, allow_null=True, help_text="User name; left out: everybody else."
    )
    client = serializers.UUIDField(
        default=None, allow_null=True, help_text="Its id; left out: every other client."
    )


class QuotaSerializer(serializers.ModelSerializer[Quota]):
    user = serializers.CharField(source="user.username", default=None, read_only=True)
    client_name = serializers.CharField(source="client.name", default=None, read_only=True)

    class Meta:
        model = Quota
        fields = ["id", "scope", "user", "client", "client_name", *LIMIT_FIELDS]


class UseSerializer(serializers.Serializer[Any]):
    tests = serializers.IntegerField()
    packets_per_second = serializers.FloatField()
    megabits_per_second = serializers.FloatField()


class StandingSerializer(serializers.Serializer[Any]):
    """What one user or client may use, and uses if all its runs run at once."""

    scope = serializers.ChoiceField(choices=Quota.Scope.choices)
    name = serializers.CharField()
    is_own = serializers.BooleanField(help_text="Whether the limits are its own.")
    limits = LimitsSerializer()
    use = UseSerializer()


@extend_schema_view(
    list=extend_schema(tags=["quotas"], summary="List the limits of users and clients"),
    retrieve=extend_schema(tags=["quotas"], summary="Show a limit"),
    create=extend_schema(
        tags=["quotas"],
        summary="Limit a user, a client, or all others",
        request=NewQuotaSerializer,
        responses={201: QuotaSerializer},
        examples=[QUOTA_EXAMPLE],
    ),
    partial_update=extend_schema(
        tags=["quotas"],
        summary="Change a limit",
        request=LimitsSerializer,
        responses=QuotaSerializer,
    ),
    destroy=extend_schema(tags=["quotas"], summary="Remove a limit"),
)
class QuotaViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Quota]):
    queryset = Quota.objects.none()
    serializer_class = QuotaSerializer
    filterset_class = QuotaFilter
    lookup_field = "id"
    lookup_value_converter = "int"
    ordering_fields = ["scope", "user__username", "client__name"]
    read_permission = Permission.ADMINISTER
    write_permission = Permission.ADMINISTER

    def get_queryset(self) -> QuerySet[Quota]:
        return list_quotas()

    def create(self, request: Request) -> Response:
        asked = NewQuotaSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        user, client = find_owner(values["scope"], values["user"], values["client"])
        if list_quotas().filter(scope=values["scope"], user=user, client=client).exists():
            raise Conflict("quota_exists", "It has a limit already; change that one.")
        limits = Limits(**{name: values[name] for name in LIMIT_FIELDS})
        quota = services.set_quota(scope=values["scope"], user=user, client=client, limits=limits)
        return Response(QuotaSerializer(quota).data, status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        quota = get_quota(id)
        asked = LimitsSerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        kept = {name: getattr(quota, name) for name in LIMIT_FIELDS}
        limits = Limits(**{**kept, **asked.validated_data})
        changed = services.set_quota(
            scope=quota.scope, user=quota.user, client=quota.client, limits=limits
        )
        return Response(QuotaSerializer(changed).data)

    def destroy(self, _request: Request, id: int) -> Response:
        services.remove_quota(quota=get_quota(id))
        return Response(status=204)

    @extend_schema(
        tags=["quotas"],
        summary="Show what users and clients use of their limits",
        responses=StandingSerializer(many=True),
    )
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=[])
    def use(self, _request: Request) -> Response:
        return Response(StandingSerializer(describe_standings(), many=True).data)


def find_owner(
    scope: str, username: str | None, client_id: Any
) -> tuple[User | None, Client | None]:
    """The user or client that a limit is of; neither for the limit of all others.

    Raises: Invalid naming the member that is unknown, or does not belong to the scope.
    """
    foreign = {"user": client_id, "client": username}[scope]
    if foreign is not None:
        name = "client" if scope == "user" else "user"
        raise Invalid([FieldError(name, "not_of_scope", f"must be empty for a limit of a {scope}")])
    user = User.objects.filter(username=username).first() if username is not None else None
    if username is not None and user is None:
        raise Invalid([FieldError("user", "unknown", f"there is no user called {username}")])
    client = None
    if client_id is not None:
        client = Client.objects.filter(id=client_id, deleted_at=None).first()
    if client_id is not None and client is None:
        raise Invalid([FieldError("client", "unknown", f"there is no client {client_id}")])
    return user, client
