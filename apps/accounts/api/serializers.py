from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.models import AuditEntry, Role, Token, User
from apps.accounts.policy import Permission, may


class RoleSerializer(serializers.ModelSerializer[Role]):
    class Meta:
        model = Role
        fields = ["name", "effect", "site_slug", "tag_slug"]


class UserSerializer(serializers.ModelSerializer[User]):
    roles = RoleSerializer(many=True, read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "email", "is_active", "last_login", "roles"]


class MeSerializer(UserSerializer):
    permissions = serializers.SerializerMethodField(
        help_text="What the user may do somewhere: view, operate, administer."
    )

    class Meta(UserSerializer.Meta):
        fields = [
            *UserSerializer.Meta.fields,
            "first_name",
            "last_name",
            "permissions",
            "time_zone",
            "language",
            "theme",
        ]

    @extend_schema_field(
        {"type": "array", "items": {"type": "string", "enum": [item.value for item in Permission]}}
    )
    def get_permissions(self, user: User) -> list[str]:
        return [permission.value for permission in Permission if may(user, permission)]


class TokenSerializer(serializers.ModelSerializer[Token]):
    id = serializers.CharField(source="token_key", help_text="The first characters of the token.")
    user = serializers.CharField(source="user.username", help_text="User name of its owner.")
    scopes = serializers.ListField(child=serializers.ChoiceField(Token.Scope.choices))
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    created_at = serializers.DateTimeField(source="created")

    class Meta:
        model = Token
        fields = ["id", "name", "user", "scopes", "created_at", "expires_at", "last_used_at"]


class NewTokenSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, help_text="What the token is for.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(Token.Scope.choices),
        allow_empty=False,
        max_length=len(Token.Scope),
    )
    days = serializers.IntegerField(
        min_value=1, max_value=730, default=365, help_text="Days until it expires."
    )

    def read_life(self) -> timedelta:
        return timedelta(days=self.validated_data["days"])


class IssuedTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="The secret; shown only now.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = [
            "id",
            "at",
            "actor",
            "actor_label",
            "via",
            "address",
            "action",
            "object_type",
            "object_id",
            "object_label",
            "before",
            "after",
            "digest",
        ]
