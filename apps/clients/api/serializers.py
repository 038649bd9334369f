from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from apps.clients.models import Client, EnrolmentToken, Interface, Key, Site, Tag
from apps.clients.selectors import list_sites, list_tags
from apps.clients.services import ACTIONS, MAXIMUM_CLIENTS


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
            "clone_suspected_at",
            "clone_detail",
        ]


class ClientDetailSerializer(ClientSerializer):
    inventory = serializers.DictField(help_text="What the agent last said of its host.")
    interfaces = InterfaceSerializer(many=True, read_only=True)

    class Meta(ClientSerializer.Meta):
        fields = [
            *ClientSerializer.Meta.fields,
            "peer_address",
            "link_group",
            "inventory",
            "inventory_at",
            "interfaces",
        ]


class ClientChangeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    site = SiteField(slug_field="slug", queryset=Site.objects.none(), allow_null=True)
    tags = TagField(slug_field="slug", queryset=Tag.objects.none(), many=True)
    peer_address = serializers.CharField(
        allow_blank=True,
        max_length=64,
        help_text="The IP address at which other agents find it; empty: by its interfaces.",
    )
    link_group = serializers.CharField(
        allow_blank=True,
        max_length=64,
        help_text="Clients with the same word share an uplink: exclusive runs take turns there.",
    )


class KeySerializer(serializers.ModelSerializer[Key]):
    class Meta:
        model = Key
        fields = ["prefix", "created_at", "expires_at", "revoked_at"]


class RotationSerializer(serializers.Serializer[Any]):
    overlap_seconds = serializers.IntegerField(
        min_value=0,
        max_value=7 * 86_400,
        default=600,
        help_text="How long the earlier keys go on working; 0 ends them at once.",
    )


class RotatedKeySerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="The agent's new key; shown only now.")


class RevokedKeysSerializer(serializers.Serializer[Any]):
    revoked = serializers.IntegerField(help_text="How many keys stopped working.")


# Other names of the list's parameters, as the pages call them.
FILTER_ALIASES = {"text": "q", "version": "agent_version", "has_clone": "is_clone_suspected"}


class BulkFilterSerializer(serializers.Serializer[Any]):
    """What the list of clients is narrowed by, by the list's own names; empty members do nothing.

    A filter that narrows nothing is refused, unless it says that everything is meant.
    """

    q = serializers.CharField(required=False, allow_blank=True, max_length=255)
    name = serializers.CharField(required=False, allow_blank=True, max_length=100)
    presence = serializers.MultipleChoiceField(
        choices=Client.Presence.choices, required=False, help_text="One, or a list of them."
    )
    site = serializers.SlugField(required=False, allow_blank=True)
    tag = serializers.SlugField(required=False, allow_blank=True)
    capability = serializers.CharField(required=False, allow_blank=True, max_length=64)
    agent_version = serializers.CharField(required=False, allow_blank=True, max_length=32)
    is_clone_suspected = serializers.BooleanField(required=False)
    text = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="The same as `q`."
    )
    version = serializers.CharField(
        required=False, allow_blank=True, max_length=32, help_text="The same as `agent_version`."
    )
    has_clone = serializers.BooleanField(
        required=False, help_text="If true, the same as `is_clone_suspected`."
    )
    everything = serializers.BooleanField(
        required=False, help_text="If true, all clients that you operate are meant."
    )

    def to_internal_value(self, asked: Any) -> dict[str, Any]:
        """The list's parameters by their own names, without those that narrow nothing.

        Raises: ValidationError naming each unknown member and the known ones.
        """
        if isinstance(asked, Mapping):
            known = ", ".join(self.fields)
            unknown = {
                str(name): serializers.ErrorDetail(f"is unknown; known are {known}.", "unknown")
                for name in asked
                if name not in self.fields
            }
            if unknown:
                raise serializers.ValidationError(unknown)
            if isinstance(asked.get("presence"), str):
                asked = {**asked, "presence": list(filter(None, [asked["presence"]]))}
        return drop_aliases(super().to_internal_value(asked))

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        is_everything = asked.pop("everything", False)
        if not asked and not is_everything:
            detail = 'The filter narrows nothing; say "everything": true if all are meant.'
            raise serializers.ValidationError({"everything": detail}, code="required")
        if asked and is_everything:
            detail = "Either everything is meant or what the other members say."
            raise serializers.ValidationError({"everything": detail}, code="contradiction")
        return asked


def drop_aliases(asked: dict[str, Any]) -> dict[str, Any]:
    """The members that narrow something.

    Raises: ValidationError for one that is given by both its names.
    """
    # Only the list's own name can ask for the clients without a suspicion.
    given = {
        name: value
        for name, value in asked.items()
        if value or (name == "is_clone_suspected" and value is False)
    }
    for alias, name in FILTER_ALIASES.items():
        if alias in given:
            if name in given:
                detail = f"Give either {alias} or {name}."
                raise serializers.ValidationError({alias: detail}, code="contradiction")
            given[name] = given.pop(alias)
    return given


class BulkSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=sorted(ACTIONS))
    clients = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        min_length=1,
        max_length=MAXIMUM_CLIENTS,
        help_text="Which clients, by id; or else `filter`.",
    )
    filter = BulkFilterSerializer(
        required=False, help_text="Which clients, by what the list is narrowed by."
    )
    tags = TagField(slug_field="slug", queryset=Tag.objects.none(), many=True, required=False)
    site = SiteField(
        slug_field="slug",
        queryset=Site.objects.none(),
        allow_null=True,
        required=False,
        help_text="For `set_site`: its short name, or null for none.",
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if ("clients" in asked) == ("filter" in asked):
            raise serializers.ValidationError({"clients": "Give either clients or a filter."})
        if asked["action"] == "set_site" and "site" not in asked:
            raise serializers.ValidationError({"site": "Name a site, or null for none."})
        return asked


class RefusalSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="client.id")
    name = serializers.CharField(source="client.name")
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkReportSerializer(serializers.Serializer[Any]):
    done = serializers.IntegerField(help_text="To how many clients it was done.")
    refused = RefusalSerializer(many=True, help_text="Which clients stayed as they were, and why.")


class CountedSerializer(serializers.Serializer[Any]):
    """Counts the clients of the list's user, once for all rows."""

    client_count = serializers.SerializerMethodField(
        help_text="How many clients you see there, not counting those of tags below."
    )

    def get_client_count(self, row: Site | Tag) -> int:
        counts: dict[int, int] = self.context["counts"]()
        return counts.get(row.pk, 0)


class SiteSerializer(CountedSerializer, serializers.ModelSerializer[Site]):
    class Meta:
        model = Site
        fields = ["id", "slug", "name", "latitude", "longitude", "client_count"]


class SiteChangeSerializer(SiteSerializer):
    class Meta(SiteSerializer.Meta):
        read_only_fields = ["slug"]


class TagSerializer(CountedSerializer, serializers.ModelSerializer[Tag]):
    parent = TagField(  # type: ignore[assignment]  # DRF takes fields off the class
        slug_field="slug",
        queryset=Tag.objects.none(),
        allow_null=True,
        required=False,
        help_text="Short name of the tag right above.",
    )
    lineage = serializers.SlugRelatedField[Tag](
        slug_field="slug", read_only=True, many=True, help_text="Every tag above."
    )

    class Meta:
        model = Tag
        fields = ["id", "slug", "name", "parent", "lineage", "client_count"]


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
