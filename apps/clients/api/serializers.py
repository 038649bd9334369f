from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from apps.clients.models import Client, EnrolmentToken, Interface, Site, Tag
from apps.clients.selectors import list_sites, list_tags


class SiteField(serializers.SlugRelatedField[Site]):
    """A site by its short name, out of those the user can see."""

    def get_queryset(self) -> QuerySet[Site]:
        return list_sites(self.context["request"].user)


class TagField(serializers.SlugRelatedField[Tag]):
    """A tag by its short name, out of those the user can see."""

    def get_queryset(self) -> QuerySet[Tag]:
        return list_tags(self.context["request"].user)


class InterfaceSerializer(serializers.ModelSerializer[Interface]):
    addresses = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Interface
        fields = [
            "name",
            "mac_address",
            "addresses",
            "mtu_bytes",
            "speed_bits_per_second",
            "is_up",
        ]


class ClientSerializer(serializers.ModelSerializer[Client]):
    site = serializers.SlugRelatedField[Site](slug_field="slug", read_only=True)
    tags = serializers.SlugRelatedField[Tag](slug_field="slug", read_only=True, many=True)

    class Meta:
        model = Client
        fields = [
            "id",
            "name",
            "hostname",
            "operating_system",
            "site",
            "tags",
            "presence",
            "presence_since",
            "last_heartbeat_at",
            "last_address",
            "agent_version",
            "enrolled_at",
            "spool_depth",
            "spool_dropped",
            "clock_offset_seconds",
            "clock_error_seconds",
        ]


class ClientDetailSerializer(ClientSerializer):
    inventory = serializers.DictField(help_text="What the agent last said of its host.")
    interfaces = InterfaceSerializer(many=True, read_only=True)

    class Meta(ClientSerializer.Meta):
        fields = [*ClientSerializer.Meta.fields, "inventory", "inventory_at", "interfaces"]


class ClientChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    site = SiteField(slug_field="slug", queryset=Site.objects.none(), allow_null=True)
    tags = TagField(slug_field="slug", queryset=Tag.objects.none(), many=True)


class RotatedKeySerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="The agent's new key; shown only now.")


class RevokedKeysSerializer(serializers.Serializer[Any]):
    revoked = serializers.IntegerField(help_text="How many keys stopped working.")


class SiteSerializer(serializers.ModelSerializer[Site]):
    class Meta:
        model = Site
        fields = ["id", "slug", "name", "latitude", "longitude"]


class SiteChangeSerializer(SiteSerializer):
    class Meta(SiteSerializer.Meta):
        read_only_fields = ["slug"]


class TagSerializer(serializers.ModelSerializer[Tag]):
    class Meta:
        model = Tag
        fields = ["id", "slug", "name"]


class TagChangeSerializer(TagSerializer):
    class Meta(TagSerializer.Meta):
        read_only_fields = ["slug"]


class EnrolmentTokenSerializer(serializers.ModelSerializer[EnrolmentToken]):
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    site = serializers.SlugRelatedField[Site](slug_field="slug", read_only=True)
    tags = serializers.SlugRelatedField[Tag](slug_field="slug", read_only=True, many=True)

    class Meta:
        model = EnrolmentToken
        fields = [
            "id",
            "name",
            "created_at",
            "created_by",
            "expires_at",
            "max_uses",
            "uses",
            "allowed_network",
            "revoked_at",
            "site",
            "tags",
        ]


class NewEnrolmentTokenSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100, help_text="What the token is for.")
    life_seconds = serializers.IntegerField(
        min_value=60, max_value=30 * 86_400, default=3600, help_text="Seconds until it expires."
    )
    max_uses = serializers.IntegerField(min_value=1, max_value=10_000, default=1)
    allowed_network = serializers.CharField(
        max_length=64, default="", allow_blank=True, help_text="Such as 10.0.0.0/8; empty is any."
    )
    site = SiteField(slug_field="slug", queryset=Site.objects.none(), allow_null=True, default=None)
    tags = TagField(slug_field="slug", queryset=Tag.objects.none(), many=True, required=False)

    def validate_life_seconds(self, seconds: int) -> timedelta:
        return timedelta(seconds=seconds)


class IssuedEnrolmentTokenSerializer(EnrolmentTokenSerializer):
    token = serializers.CharField(help_text="The secret; shown only now.")

    class Meta(EnrolmentTokenSerializer.Meta):
        fields = [*EnrolmentTokenSerializer.Meta.fields, "token"]
