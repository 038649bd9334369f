"""Users, for those who administer everything."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts import services
from apps.accounts.api.user_serializers import (
    AskedLinkSerializer,
    EffectSerializer,
    EndedSessionsSerializer,
    GrantSerializer,
    GrantsSerializer,
    HeldRoleSerializer,
    IssuedLinkSerializer,
    ManagedUserSerializer,
    NewUserSerializer,
    ResetFactorSerializer,
    UserChangeSerializer,
    build_grants,
)
from apps.accounts.links import build_password_link
from apps.accounts.models import Role, User
from apps.accounts.policy import Permission
from apps.accounts.queueing import queue_password_link
from apps.accounts.selectors import get_user, list_users, match_role, match_user_text
from apps.accounts.services import Grant

ROLE_CHOICES = [*Role.Name.choices, ("none", "Without a role")]
OPERATOR_OF_VIENNA = {"name": "operator", "site_slug": "vienna"}


class UserFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    q = filters.CharFilter(method="match_text", label="Part of a name or the e-mail address")
    role = filters.ChoiceFilter(choices=ROLE_CHOICES, method="match_role", label="Given somewhere")
    has_second_factor = filters.BooleanFilter(label="Has a second factor")

    class Meta:
        model = User
        fields = ["is_active"]

    def match_text(self, rows: QuerySet[User], _name: str, text: str) -> QuerySet[User]:
        return match_user_text(rows, text)

    def match_role(self, rows: QuerySet[User], _name: str, role: str) -> QuerySet[User]:
        return match_role(rows, role)


@extend_schema_view(
    list=extend_schema(tags=["accounts"], summary="List the users"),
    retrieve=extend_schema(tags=["accounts"], summary="Show a user"),
    create=extend_schema(
        tags=["accounts"],
        summary="Make a user",
        request=NewUserSerializer,
        responses={201: ManagedUserSerializer},
        examples=[
            OpenApiExample(
                "operator of one site",
                value={
                    "username": "ann",
                    "email": "ann@example.org",
                    "roles": [OPERATOR_OF_VIENNA],
                },
                request_only=True,
            )
        ],
    ),
    partial_update=extend_schema(
        tags=["accounts"],
        summary="Change a user's names or e-mail address",
        request=UserChangeSerializer,
        responses=ManagedUserSerializer,
        examples=[OpenApiExample("address", value={"email": "ann@example.org"}, request_only=True)],
    ),
    destroy=extend_schema(
        tags=["accounts"],
        summary="Delete a user",
        description="Roles, tokens and sessions go too; what the user did stays in the audit.",
    ),
)
class UserViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[User]):
    queryset = User.objects.none()
    serializer_class = ManagedUserSerializer
    filterset_class = UserFilter
    read_permission = Permission.ADMINISTER
    write_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "int"
    ordering_fields = ["username", "email", "is_active", "last_login", "date_joined"]

    def get_queryset(self) -> QuerySet[User]:
        return list_users(self.request.user)

    def find_user(self) -> User:
        return get_user(self.request.user, self.kwargs["id"])

    def answer_user(self, user: User, status: int = 200) -> Response:
        stored = get_user(self.request.user, user.pk)
        return Response(ManagedUserSerializer(stored).data, status=status)

    def create(self, request: Request) -> Response:
        asked = NewUserSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        grants = build_grants(wanted.pop("roles", []))
        return self.answer_user(services.create_user(**wanted, grants=grants), status=201)

    def partial_update(self, request: Request, id: int) -> Response:
        user = self.find_user()
        asked = UserChangeSerializer(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        kept: dict[str, Any] = {str(name): getattr(user, str(name)) for name in asked.fields}
        services.change_user(user=user, **{**kept, **asked.validated_data})
        return self.answer_user(user)

    def destroy(self, request: Request, id: int) -> Response:
        services.delete_user(user=self.find_user())
        return Response(status=204)

    @extend_schema(
        tags=["accounts"],
        summary="Lock a user out",
        description="Sessions and sockets end within seconds, tokens stop working.",
        request=None,
        responses=ManagedUserSerializer,
    )
    @action(detail=True, methods=["post"])
    def deactivate(self, request: Request, id: int) -> Response:
        user = self.find_user()
        services.deactivate_user(user=user)
        return self.answer_user(user)

    @extend_schema(
        tags=["accounts"],
        summary="Let a user in again",
        request=None,
        responses=ManagedUserSerializer,
    )
    @action(detail=True, methods=["post"])
    def reactivate(self, request: Request, id: int) -> Response:
        user = self.find_user()
        services.reactivate_user(user=user)
        return self.answer_user(user)

    @extend_schema(
        tags=["accounts"],
        summary="End all sessions of a user",
        description="JSON Web Tokens end too; API tokens stay.",
        request=None,
        responses=EndedSessionsSerializer,
    )
    @action(detail=True, methods=["post"], url_path="end-sessions")
    def end_sessions(self, request: Request, id: int) -> Response:
        return Response({"ended": services.end_sessions(user=self.find_user())})

    @extend_schema(
        tags=["accounts"],
        summary="Take away a user's second factor",
        description="For somebody who lost the device and the recovery codes.",
        request=None,
        responses=ResetFactorSerializer,
    )
    @action(detail=True, methods=["post"], url_path="reset-second-factor")
    def reset_second_factor(self, request: Request, id: int) -> Response:
        return Response({"was_on": services.reset_second_factor(user=self.find_user())})

    @extend_schema(
        tags=["accounts"],
        summary="Make a link that sets a new password",
        description="It works once, for 24 hours; an earlier link of the user is void. Using it "
        "ends every session and revokes every API token of the user. A change of password, e-mail "
        "address or activity voids it.",
        request=AskedLinkSerializer,
        responses={201: IssuedLinkSerializer},
        examples=[OpenApiExample("by mail", value={"by_mail": True}, request_only=True)],
    )
    @action(detail=True, methods=["post"], url_path="password-link")
    def password_link(self, request: Request, id: int) -> Response:
        asked = AskedLinkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        user = self.find_user()
        link, secret = services.issue_password_link(user=user)
        address = build_password_link(request, secret)
        is_asked = asked.validated_data["by_mail"] and bool(user.email)
        answer = {
            "link": address,
            "expires_at": link.expires_at,
            "is_queued": is_asked and queue_password_link(link=link, address=address),
        }
        return Response(IssuedLinkSerializer(answer).data, status=201)

    @extend_schema(
        tags=["accounts"],
        summary="Show what the roles of a user come to",
        description="For each permission where it is allowed and where denied; a denial wins.",
        responses=EffectSerializer,
    )
    @action(detail=True)
    def effect(self, request: Request, id: int) -> Response:
        return Response(EffectSerializer(self.find_user()).data)

    @extend_schema(
        tags=["accounts"], summary="List a user's roles", responses=HeldRoleSerializer(many=True)
    )
    @action(detail=True, pagination_class=None, filter_backends=[])
    def roles(self, request: Request, id: int) -> Response:
        roles = self.find_user().roles.order_by("id")
        return Response(HeldRoleSerializer(roles, many=True).data)

    @extend_schema(
        tags=["accounts"],
        summary="Give a user one more role",
        request=GrantSerializer,
        responses={201: HeldRoleSerializer},
        examples=[
            OpenApiExample("operator of a site", value=OPERATOR_OF_VIENNA, request_only=True)
        ],
    )
    @roles.mapping.post
    def add_role(self, request: Request, id: int) -> Response:
        asked = GrantSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        role = services.add_role(user=self.find_user(), grant=Grant(**asked.validated_data))
        return Response(HeldRoleSerializer(role).data, status=201)

    @extend_schema(
        tags=["accounts"],
        summary="Set all roles of a user",
        request=GrantsSerializer,
        responses=HeldRoleSerializer(many=True),
        examples=[
            OpenApiExample("one role", value={"roles": [OPERATOR_OF_VIENNA]}, request_only=True)
        ],
    )
    @roles.mapping.put
    def set_roles(self, request: Request, id: int) -> Response:
        asked = GrantsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        grants = build_grants(asked.validated_data["roles"])
        roles = services.set_roles(user=self.find_user(), grants=grants)
        return Response(HeldRoleSerializer(roles, many=True).data)

    @extend_schema(
        tags=["accounts"],
        summary="Take a role from a user",
        request=None,
        responses={204: None},
    )
    @action(detail=True, methods=["delete"], url_path="roles/<int:role_id>")
    def remove_role(self, request: Request, id: int, role_id: int) -> Response:
        services.remove_role(user=self.find_user(), role_id=role_id)
        return Response(status=204)
