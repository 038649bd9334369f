"""Users about themselves: profile, password and sessions."""

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.api.serializers import MeSerializer
from apps.accounts.browsers import describe_browser
from apps.accounts.models import Token, User
from apps.accounts.policy import Permission
from apps.accounts.profile import get_own_session, list_own_sessions
from apps.accounts.services.passwords import change_password
from apps.accounts.services.preferences import PROFILE_FIELDS, change_profile
from apps.accounts.services.sessions import end_session, end_sessions, rename_session
from apps.core.errors import NotAuthenticated, Refused


def read_person(request: Request) -> User:
    """The signed-in person.

    Raises: Refused for an API token, which is for data, not for the account it belongs to.
    """
    if not isinstance(request.user, User):
        raise NotAuthenticated("not_authenticated", "Sign in first.")
    if isinstance(request.auth, Token):
        raise Refused("refused", "An API token does not manage its user's account; sign in.")
    return request.user


class ProfileSerializer(serializers.Serializer[Any]):
    first_name = serializers.CharField(required=False, allow_blank=True)
    last_name = serializers.CharField(required=False, allow_blank=True)
    email = serializers.CharField(required=False, allow_blank=True)
    time_zone = serializers.CharField(
        required=False, allow_blank=True, help_text="Of the IANA list; empty means the server's."
    )
    language = serializers.CharField(required=False, allow_blank=True)
    theme = serializers.ChoiceField(User.Theme.choices, required=False)


class PasswordSerializer(serializers.Serializer[Any]):
    current_password = serializers.CharField(max_length=256, trim_whitespace=False)
    new_password = serializers.CharField(
        max_length=256,
        trim_whitespace=False,
        help_text="12 to 128 characters, none of the common ones, not like your name.",
    )


class MeViewSet(GenericViewSet[User]):
    queryset = User.objects.none()
    serializer_class = MeSerializer
    write_permission = Permission.VIEW

    @extend_schema(tags=["accounts"], summary="Show yourself and what you may do")
    @action(detail=False, url_path="me", pagination_class=None, filter_backends=[])
    def me(self, request: Request) -> Response:
        return Response(self.get_serializer(request.user).data)

    @extend_schema(
        tags=["accounts"],
        summary="Change your profile",
        description="Not by an API token.",
        request=ProfileSerializer,
        responses={200: MeSerializer},
        examples=[
            OpenApiExample(
                "clock and look",
                value={"time_zone": "Europe/Vienna", "theme": "dark"},
                request_only=True,
            )
        ],
    )
    @me.mapping.patch
    def change_me(self, request: Request) -> Response:
        user = read_person(request)
        asked = ProfileSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        known = {name: asked.validated_data.get(name) for name in PROFILE_FIELDS}
        change_profile(
            user=user, changes={name: value for name, value in known.items() if value is not None}
        )
        return Response(self.get_serializer(user).data)

    @extend_schema(
        tags=["accounts"],
        summary="Change your password",
        description="Every other session and every JSON Web Token of yours ends. Not by an API "
        "token.",
        request=PasswordSerializer,
        responses={204: None},
        examples=[
            OpenApiExample(
                "a new one",
                value={
                    "current_password": "correct horse battery staple",
                    "new_password": "four other words entirely",
                },
                request_only=True,
            )
        ],
    )
    @action(detail=False, methods=["post"], url_path="me/password")
    def password(self, request: Request) -> Response:
        user = read_person(request)
        asked = PasswordSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        session = request.session
        old_key = session.session_key if request.auth is None else None
        change_password(user=user, session_key=old_key, **asked.validated_data)
        if old_key:
            update_session_auth_hash(request._request, user)  # noqa: SLF001 - DRF's documented wrapped request
            rename_session(old_key=old_key, new_key=session.session_key or "")
        return Response(status=204)


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    address = serializers.CharField(source="ip")
    browser = serializers.SerializerMethodField(help_text="In words, such as Firefox on Linux.")
    started_at = serializers.DateTimeField(source="created_at")
    is_current = serializers.SerializerMethodField(help_text="Whether this request came by it.")

    class Meta:
        model = UserSession
        fields = ["id", "address", "browser", "started_at", "last_seen_at", "is_current"]

    def get_browser(self, session: UserSession) -> str:
        return describe_browser(session.user_agent)

    def get_is_current(self, session: UserSession) -> bool:
        return bool(session.session_key == self.context["request"].session.session_key)


@extend_schema_view(
    list=extend_schema(tags=["accounts"], summary="List your sessions"),
    destroy=extend_schema(
        tags=["accounts"],
        summary="End one of your sessions",
        description="Its next request goes to sign-in, its live socket closes within 5 seconds.",
    ),
)
class SessionViewSet(ListModelMixin, GenericViewSet[UserSession]):
    """For people: not by an API token."""

    queryset = UserSession.objects.none()
    serializer_class = SessionSerializer
    write_permission = Permission.VIEW
    lookup_field = "id"
    ordering_fields = ["created_at", "last_seen_at"]

    def get_queryset(self) -> QuerySet[UserSession]:
        if getattr(self, "swagger_fake_view", False):
            return UserSession.objects.none()  # type: ignore[no-any-return]  # allauth ships no types
        return list_own_sessions(read_person(self.request))

    def destroy(self, request: Request, id: int) -> Response:
        end_session(user_session=get_own_session(read_person(request), id))
        return Response(status=204)

    @extend_schema(
        tags=["accounts"],
        operation_id="sessions_destroy_others",
        summary="End all your other sessions",
        description="And every JSON Web Token of yours.",
        responses={204: None},
    )
    def destroy_others(self, request: Request) -> Response:
        user = read_person(request)
        key = request.session.session_key if request.auth is None else None
        end_sessions(user=user, except_key=key)
        return Response(status=204)
