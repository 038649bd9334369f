"""Invitations, for those who administer everything."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts import services
from apps.accounts.api.user_serializers import GrantSerializer, build_grants
from apps.accounts.links import build_invitation_link
from apps.accounts.models import Invitation, User
from apps.accounts.policy import Permission
from apps.accounts.queueing import queue_invitation
from apps.accounts.selectors import (
    INVITATION_STATES,
    get_invitation,
    list_invitations,
    match_invitation_state,
    name_invitation_state,
)
from apps.core.clock import read_now

STATE_CHOICES = [(state, state) for state in INVITATION_STATES]
MOST_HOURS = 720


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    state = serializers.SerializerMethodField(
        help_text="open, fault (open, but the mail failed), accepted, expired or revoked."
    )
    roles = GrantSerializer(many=True)
    invited_by = serializers.CharField(source="invited_by.username", default=None, read_only=True)
    accepted_by = serializers.CharField(source="accepted_by.username", default=None, read_only=True)

    class Meta:
        model = Invitation
        fields = [
            "id",
            "email",
            "state",
            "roles",
            "invited_by",
            "created_at",
            "expires_at",
            "sent_at",
            "mail_fault",
            "accepted_at",
            "accepted_by",
            "revoked_at",
        ]

    def get_state(self, invitation: Invitation) -> str:
        return name_invitation_state(invitation, read_now())


class NewInvitationSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    roles = GrantSerializer(many=True, allow_empty=False)
    life_hours = serializers.IntegerField(
        min_value=1, max_value=MOST_HOURS, default=168, help_text="Hours until it expires."
    )
    by_mail = serializers.BooleanField(default=True, help_text="Mail the link.")


class ResendSerializer(serializers.Serializer[Any]):
    by_mail = serializers.BooleanField(default=True, help_text="Mail the new link.")


class IssuedInvitationSerializer(InvitationSerializer):
    link = serializers.CharField(help_text="Works once; shown only now.")

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "link"]


class InvitationFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    q = filters.CharFilter(field_name="email", lookup_expr="icontains", label="Part of the address")
    state = filters.ChoiceFilter(choices=STATE_CHOICES, method="match_state", label="State")

    class Meta:
        model = Invitation
        fields = ["email"]

    def match_state(
        self, rows: QuerySet[Invitation], _name: str, state: str
    ) -> QuerySet[Invitation]:
        return match_invitation_state(rows, state, read_now())


@extend_schema_view(
    list=extend_schema(tags=["accounts"], summary="List the invitations"),
    retrieve=extend_schema(tags=["accounts"], summary="Show an invitation"),
    create=extend_schema(
        tags=["accounts"],
        summary="Invite somebody",
        description="The link is mailed and in the answer; it is never shown again.",
        request=NewInvitationSerializer,
        responses={201: IssuedInvitationSerializer},
        examples=[
            OpenApiExample(
                "viewer of one site",
                value={
                    "email": "ann@example.org",
                    "roles": [{"name": "viewer", "site_slug": "vienna"}],
                    "life_hours": 24,
                },
                request_only=True,
            )
        ],
    ),
    destroy=extend_schema(
        tags=["accounts"],
        summary="Revoke an invitation",
        description="Its link stops working; the entry stays in the list.",
    ),
)
class InvitationViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Invitation]):
    queryset = Invitation.objects.none()
    serializer_class = InvitationSerializer
    filterset_class = InvitationFilter
    read_permission = Permission.ADMINISTER
    write_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "int"
    ordering_fields = ["created_at", "expires_at", "email"]

    def get_queryset(self) -> QuerySet[Invitation]:
        return list_invitations(self.request.user)

    def create(self, request: Request) -> Response:
        asked = NewInvitationSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        invitation, secret = services.invite(
            email=wanted["email"],
            grants=build_grants(wanted["roles"]),
            invited_by=request.user if isinstance(request.user, User) else None,
            life=timedelta(hours=wanted["life_hours"]),
        )
        return self.answer(invitation, secret, is_mailed=wanted["by_mail"], status=201)

    def answer(
        self, invitation: Invitation, secret: str, *, is_mailed: bool, status: int
    ) -> Response:
        link = build_invitation_link(self.request, secret)
        if is_mailed:
            queue_invitation(invitation=invitation, link=link)
        stored = get_invitation(self.request.user, invitation.pk)
        return Response({**InvitationSerializer(stored).data, "link": link}, status=status)

    def destroy(self, request: Request, id: int) -> Response:
        services.revoke_invitation(invitation=get_invitation(request.user, id))
        return Response(status=204)

    @extend_schema(
        tags=["accounts"],
        summary="Send an invitation again",
        description="With a new link, as long as the first; the earlier link is void.",
        request=ResendSerializer,
        responses=IssuedInvitationSerializer,
        examples=[OpenApiExample("by mail", value={"by_mail": True}, request_only=True)],
    )
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, id: int) -> Response:
        asked = ResendSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        invitation = get_invitation(request.user, id)
        secret = services.renew_invitation(invitation=invitation)
        is_mailed = asked.validated_data["by_mail"]
        return self.answer(invitation, secret, is_mailed=is_mailed, status=200)
