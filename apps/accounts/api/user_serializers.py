from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.api.serializers import UserSerializer
from apps.accounts.models import Role, User
from apps.accounts.policy import Permission, Place, find_scope
from apps.accounts.services import Grant

SLUG_LENGTH = 50


class GrantSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(Role.Name.choices)
    effect = serializers.ChoiceField(Role.Effect.choices, default=Role.Effect.ALLOW)
    site_slug = serializers.CharField(
        max_length=SLUG_LENGTH, default="", allow_blank=True, help_text="Empty means every site."
    )
    tag_slug = serializers.CharField(
        max_length=SLUG_LENGTH, default="", allow_blank=True, help_text="Empty means every tag."
    )


class HeldRoleSerializer(serializers.ModelSerializer[Role]):
    class Meta:
        model = Role
        fields = ["id", "name", "effect", "site_slug", "tag_slug"]


class ManagedUserSerializer(UserSerializer):
    """A user as an administrator sees it."""

    has_second_factor = serializers.BooleanField(read_only=True)

    class Meta(UserSerializer.Meta):
        fields = [
            "id",
            "username",
            "first_name",
            "last_name",
            "email",
            "is_active",
            "has_second_factor",
            "last_login",
            "date_joined",
            "roles",
        ]


class UserChangeSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    first_name = serializers.CharField(max_length=150, allow_blank=True, default="")
    last_name = serializers.CharField(max_length=150, allow_blank=True, default="")
    email = serializers.EmailField(max_length=254, allow_blank=True, default="")


class NewUserSerializer(UserChangeSerializer):
    password = serializers.CharField(
        max_length=256,
        trim_whitespace=False,
        required=False,
        help_text="Without one, hand over a password link.",
    )
    roles = GrantSerializer(many=True, required=False)


class GrantsSerializer(serializers.Serializer[Any]):
    roles = GrantSerializer(many=True, help_text="All roles the user has from now on.")


class EndedSessionsSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField(help_text="How many sessions ended.")


class ResetFactorSerializer(serializers.Serializer[Any]):
    was_on = serializers.BooleanField(help_text="Whether there was a second factor.")


class AskedLinkSerializer(serializers.Serializer[Any]):
    by_mail = serializers.BooleanField(
        default=False, help_text="Mail it to the user's address as well."
    )


class IssuedLinkSerializer(serializers.Serializer[Any]):
    link = serializers.CharField(help_text="Works once; shown only now.")
    expires_at = serializers.DateTimeField()
    is_queued = serializers.BooleanField(help_text="Whether it is on its way by mail.")


class PlaceSerializer(serializers.Serializer[Any]):
    site_slug = serializers.CharField(help_text="Empty means every site.")
    tag_slug = serializers.CharField(help_text="Empty means every tag.")


class ScopeSerializer(serializers.Serializer[Any]):
    permission = serializers.CharField(help_text="view, operate or administer.")
    is_everything = serializers.BooleanField()
    is_empty = serializers.BooleanField()
    allowed = PlaceSerializer(many=True)
    denied = PlaceSerializer(many=True, help_text="These win over what is allowed.")


class EffectSerializer(serializers.Serializer[Any]):
    """What the roles of a user come to."""

    scopes = serializers.SerializerMethodField()

    @extend_schema_field(ScopeSerializer(many=True))
    def get_scopes(self, user: User) -> list[dict[str, Any]]:
        return [describe_scope(user, permission) for permission in Permission]


def describe_scope(user: User, permission: Permission) -> dict[str, Any]:
    scope = find_scope(user, permission)
    return {
        "permission": permission.value,
        "is_everything": scope.is_everything,
        "is_empty": scope.is_empty,
        "allowed": [describe_place(place) for place in scope.allowed],
        "denied": [describe_place(place) for place in scope.denied],
    }


def describe_place(place: Place) -> dict[str, str]:
    return {"site_slug": place.site_slug, "tag_slug": place.tag_slug}


def build_grants(documents: list[dict[str, str]]) -> list[Grant]:
    return [Grant(**document) for document in documents]
