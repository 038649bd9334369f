from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Result, Run, Test
from apps.tests.services import TestDefinition

DEFINITION_FIELDS = tuple(field.name for field in fields(TestDefinition))


class TestSerializer(serializers.ModelSerializer[Test]):
    target = serializers.CharField(source="target.address", default=None, read_only=True)
    parameters = serializers.DictField()
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    clients = serializers.SerializerMethodField(
        help_text="The clients that run it, as far as you may see them."
    )

    class Meta:
        model = Test
        fields = [
            "id",
            "name",
            "kind",
            "target",
            "parameters",
            "duration_seconds",
            "sample_interval_seconds",
            "schedule_kind",
            "every_seconds",
            "slip_seconds",
            "start_at",
            "schedule_revision",
            "is_paused",
            "created_at",
            "created_by",
            "clients",
        ]

    def get_clients(self, test: Test) -> list[UUID]:
        visible: list[Assignment] = getattr(test, "visible_assignments", [])
        return [row.client_id for row in visible]


class TestDefinitionSerializer(serializers.Serializer[Any]):
    """The shape of a definition; what it means is checked by the service."""

    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=sorted(KINDS))
    target = serializers.CharField(
        max_length=2048, help_text="Host name, IP address, URL or `system`, as the kind says."
    )
    duration_seconds = serializers.FloatField(
        default=settings.DEFAULT_TEST_DURATION_SECONDS, help_text="How long a run lasts."
    )
    sample_interval_seconds = serializers.FloatField(
        default=settings.DEFAULT_TEST_INTERVAL_SECONDS, help_text="A point of the series each."
    )
    schedule_kind = serializers.ChoiceField(
        choices=Test.ScheduleKind.choices, default=Test.ScheduleKind.EVERY
    )
    every_seconds = serializers.FloatField(
        default=None, allow_null=True, help_text="Needed for the schedule `every`."
    )
    slip_seconds = serializers.FloatField(
        default=0.0, help_text="Each start is moved by up to this, the same way each time."
    )
    start_at = serializers.DateTimeField(default=None, allow_null=True)
    parameters = serializers.DictField(
        default=dict, help_text="By the kind's schema (/api/v1/kinds/); defaults are filled in."
    )


class NewTestSerializer(TestDefinitionSerializer):
    clients = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=10_000)


def build_definition(values: Mapping[str, Any]) -> TestDefinition:
    return TestDefinition(**{name: values[name] for name in DEFINITION_FIELDS})


def read_definition(test: Test) -> dict[str, Any]:
    """The test as it is defined now, to be overlaid by a partial change."""
    values = {name: getattr(test, name) for name in DEFINITION_FIELDS}
    return {**values, "target": test.target.address if test.target else ""}


class AssignSerializer(serializers.Serializer[Any]):
    clients = serializers.ListField(child=serializers.UUIDField(), max_length=10_000)


class RunNowSerializer(serializers.Serializer[Any]):
    clients = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_empty=False,
        max_length=10_000,
        help_text="Only on these of the test's clients; left out: on all.",
    )


class StoppedSerializer(serializers.Serializer[Any]):
    stopped = serializers.IntegerField(help_text="How many runs were stopped.")


class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
    test_name = serializers.CharField(source="test.name", read_only=True)
    kind = serializers.CharField(source="test.kind", read_only=True)
    client_name = serializers.CharField(source="client.name", read_only=True)
    last_values = serializers.DictField(child=serializers.FloatField())

    class Meta:
        model = Assignment
        fields = [
            "id",
            "test",
            "test_name",
            "kind",
            "client",
            "client_name",
            "created_at",
            "removed_at",
            "last_run_at",
            "last_run_state",
            "last_is_success",
            "last_reason",
            "last_values",
        ]


class ResultSummarySerializer(serializers.ModelSerializer[Result]):
    values = serializers.DictField(child=serializers.FloatField())
    absent = serializers.DictField(
        child=serializers.CharField(), help_text="Reason codes of what could not be measured."
    )

    class Meta:
        model = Result
        fields = ["outcome", "is_success", "reason", "method", "values", "absent"]


class RunSerializer(serializers.ModelSerializer[Run]):
    test = serializers.UUIDField(source="assignment.test_id", read_only=True)
    test_name = serializers.CharField(source="assignment.test.name", read_only=True)
    client = serializers.UUIDField(source="assignment.client_id", read_only=True)
    client_name = serializers.CharField(source="assignment.client.name", read_only=True)
    result = ResultSummarySerializer(read_only=True, allow_null=True)

    class Meta:
        model = Run
        fields = [
            "id",
            "assignment",
            "test",
            "test_name",
            "client",
            "client_name",
            "slot",
            "schedule_revision",
            "start_at",
            "end_at",
            "state",
            "reason",
            "is_on_demand",
            "leased_at",
            "started_at",
            "finished_at",
            "result",
        ]


class ResultSerializer(ResultSummarySerializer):
    run = serializers.UUIDField(source="run_id", read_only=True)
    test = serializers.UUIDField(source="run.assignment.test_id", read_only=True)
    test_name = serializers.CharField(source="run.assignment.test.name", read_only=True)
    client = serializers.UUIDField(source="run.assignment.client_id", read_only=True)
    client_name = serializers.CharField(source="run.assignment.client.name", read_only=True)

    class Meta(ResultSummarySerializer.Meta):
        fields = [
            "run",
            "test",
            "test_name",
            "client",
            "client_name",
            "received_at",
            "started_at",
            "finished_at",
            *ResultSummarySerializer.Meta.fields,
        ]


class ResultDetailSerializer(ResultSerializer):
    facts = serializers.DictField(child=serializers.CharField())
    document = serializers.DictField(help_text="What the kind of test found beyond numbers.")

    class Meta(ResultSerializer.Meta):
        fields = [*ResultSerializer.Meta.fields, "facts", "document"]


class KindSerializer(serializers.Serializer[Any]):
    """A kind of test and what it takes."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.SerializerMethodField()
    target_form = serializers.CharField(help_text="host, resolver or url.")
    headline = serializers.ListField(child=serializers.CharField())
    chart = serializers.ListField(child=serializers.CharField())
    parameters = serializers.SerializerMethodField(help_text="JSON Schema of the parameters.")

    def get_description(self, kind: Any) -> str:
        return str(kind.schema.get("description", ""))

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_parameters(self, kind: Any) -> dict[str, Any]:
        schema: dict[str, Any] = kind.schema
        return schema
