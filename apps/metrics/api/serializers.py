from datetime import UTC
from typing import Any

from rest_framework import serializers

from apps.metrics.catalogue import ABSENT_CODES
from apps.metrics.services import DOCUMENT_KINDS


class MetricSerializer(serializers.Serializer[Any]):
    """One row of the catalogue."""

    name = serializers.CharField()
    unit = serializers.CharField(
        help_text="UCUM: s, By, bit/s, 1 (a ratio, a count, a yes or no), ...; string for a text."
    )
    group = serializers.CharField()
    kind = serializers.CharField(
        help_text="gauge or counter for numbers, text for facts, histogram for documents."
    )
    better = serializers.CharField(help_text="lower, higher or neither.")
    description = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # DRF takes fields off the class
        help_text="Where the number comes from."
    )
    absent = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why it may be missing: "
        + ", ".join(f"{code} {meaning}" for code, meaning in ABSENT_CODES.items())
        + ".",
    )
    attributes = serializers.ListField(
        child=serializers.CharField(), help_text="Names that may stand in braces in its key."
    )
    emitted_by = serializers.ListField(
        child=serializers.CharField(),
        help_text="Kinds of test and collectors that it comes from; server: it is computed there.",
    )


class MetricQuery(serializers.Serializer[Any]):
    """How the catalogue can be narrowed."""

    group = serializers.CharField(required=False, help_text="Only metrics of this group.")
    search = serializers.CharField(
        required=False, max_length=100, help_text="Part of the name or description."
    )
    emitted_by = serializers.CharField(
        required=False, max_length=50, help_text="Only what comes from it: ping, host, server, ..."
    )


class SourceSerializer(serializers.Serializer[Any]):
    """A stream of numbers with its newest values."""

    kind = serializers.CharField(help_text="host, cpu, interface, filesystem, disk or agent.")
    subject = serializers.CharField(
        allow_blank=True, help_text="Which one: eth0, /home, sda; empty when there is only one."
    )
    at = serializers.DateTimeField()
    values = serializers.DictField(child=serializers.FloatField())
    absent = serializers.DictField(
        child=serializers.CharField(), help_text="Reason codes of what could not be measured."
    )


class SourceQuery(serializers.Serializer[Any]):
    """Whose sources."""

    client = serializers.UUIDField()


class DocumentQuery(serializers.Serializer[Any]):
    """Which document."""

    kind = serializers.ChoiceField(choices=DOCUMENT_KINDS)
    at = serializers.DateTimeField(
        required=False,
        default_timezone=UTC,
        help_text="The newest until then (ISO 8601); left out: the newest. Kept for an hour.",
    )


class DocumentSerializer(serializers.Serializer[Any]):
    """What a client's processes or connections were at one moment."""

    kind = serializers.CharField(source="source.kind")
    at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    document = serializers.JSONField(
        source="body", help_text="As the agent wrote it; docs/wire.md names its fields."
    )


class TierSerializer(serializers.Serializer[Any]):
    """A part of what is stored. Rows and bytes are the database's own estimates."""

    name = serializers.CharField(help_text="raw, 5m, 1h, 1d, results or other.")
    title = serializers.CharField()
    step_seconds = serializers.IntegerField(help_text="Length of its buckets; 0 without any.")
    rows = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="With indexes.")
    oldest_at = serializers.DateTimeField(allow_null=True)
    newest_at = serializers.DateTimeField(allow_null=True)
    kept_days = serializers.IntegerField(help_text="After so many days it is forgotten.")
    bytes_per_day = serializers.FloatField(
        allow_null=True, help_text="Growth since the oldest; null in the first six hours."
    )


class StorageSerializer(serializers.Serializer[Any]):
    """What the history occupies and how long the disk lasts; at most a minute old."""

    tiers = TierSerializer(many=True)
    database_bytes = serializers.IntegerField()
    free_bytes = serializers.IntegerField(
        allow_null=True, help_text="Null when the database's disk cannot be seen from the server."
    )
    bytes_per_day = serializers.FloatField(
        allow_null=True, help_text="Growth until the tiers are as old as they are kept."
    )
    days_left = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(
        allow_blank=True, help_text="Why `days_left` is null; empty when it is a number."
    )
