from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.configuration.selectors import read_number
from apps.core.http import MomentField
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Result, Run, Test
from apps.tests.services import TestDefinition
from apps.tests.services.bulk import ACTIONS, MOST_AT_ONCE
from apps.tests.services.rehearsal import Rehearsal

DEFINITION_FIELDS = tuple(field.name for field in fields(TestDefinition))
REHEARSAL_FIELDS = (
    "clients", "pair_count", "note", "load", "total_load", "busy_ratio", "next_starts",
)  # fmt: skip


def read_default_duration() -> float:
    return read_number("default_test_duration_seconds")


def read_default_interval() -> float:
    return read_number("default_test_interval_seconds")


class KindField(serializers.ChoiceField):
    """One of the kinds that this server knows now."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=sorted(KINDS), **options)


class SelectorField(serializers.DictField):
    """`sites`, `tags` and `clients`, each a list; what they mean is checked by the service."""

    child = serializers.ListField(child=serializers.CharField(), max_length=10_000)


class TestSerializer(serializers.ModelSerializer[Test]):
    target = serializers.CharField(source="target.address", default=None, read_only=True)
    parameters = serializers.DictField()
    selector = SelectorField(read_only=True)
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
            "cron_expression",
            "time_zone",
            "slip_seconds",
            "start_at",
            "schedule_revision",
            "selection_kind",
            "selector",
            "wanted_clients",
            "selection_note",
            "topology",
            "hub",
            "directions",
            "peer_address",
            "is_paused",
            "created_at",
            "created_by",
            "clients",
        ]

    def get_clients(self, test: Test) -> list[UUID]:
        visible: list[Assignment] = getattr(test, "visible_assignments", [])
        return list(dict.fromkeys(one for row in visible for one in row.participant_ids))


class TestDefinitionSerializer(serializers.Serializer[Any]):
    """The shape of a definition; what it means is checked by the service."""

    name = serializers.CharField(max_length=100)
    kind = KindField()
    target = serializers.CharField(
        max_length=2048,
        default="",
        allow_blank=True,
        help_text="Host name, IP address, URL or `system`, as the kind says; empty for kinds that"
        " two clients run between them.",
    )
    duration_seconds = serializers.FloatField(
        default=read_default_duration, help_text="How long a run lasts."
    )
    sample_interval_seconds = serializers.FloatField(
        default=read_default_interval, help_text="A point of the series each."
    )
    schedule_kind = serializers.ChoiceField(
        choices=Test.ScheduleKind.choices, default=Test.ScheduleKind.EVERY
    )
    every_seconds = serializers.FloatField(
        default=None, allow_null=True, help_text="Needed for the schedule `every`."
    )
    cron_expression = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="Five fields, needed for the schedule `cron`: minute hour day month weekday.",
    )
    time_zone = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="The zone of the cron expression, of the IANA list, as `Europe/Vienna`.",
    )
    slip_seconds = serializers.FloatField(
        default=0.0, help_text="Each start is moved by up to this, the same way each time."
    )
    start_at = MomentField(default=None, allow_null=True)
    parameters = serializers.DictField(
        default=dict, help_text="By the kind's schema (/api/v1/kinds/); defaults are filled in."
    )
    selection_kind = serializers.ChoiceField(
        choices=Test.SelectionKind.choices,
        default=Test.SelectionKind.CLIENTS,
        help_text="Who runs it: the clients named, all that match, or any N that match.",
    )
    selector = SelectorField(
        default=dict,
        help_text=(
            "Which clients match: of any of these `sites` with all of these `tags`, or one of"
            " these `clients`; empty means every client."
        ),
    )
    wanted_clients = serializers.IntegerField(
        default=None, allow_null=True, help_text="N, 1 to 1000; needed for the selection `any`."
    )
    topology = serializers.ChoiceField(
        choices=Test.Topology.choices,
        default="",
        allow_blank=True,
        help_text="Needed for kinds of two participants: `pair` joins the hub with one client,"
        " `star` with each, `mesh` each client with each other.",
    )
    hub = serializers.UUIDField(
        source="hub_id", default=None, allow_null=True, help_text="The near end of a pair or star."
    )
    directions = serializers.ChoiceField(
        choices=Test.Directions.choices,
        default="",
        allow_blank=True,
        help_text="`out` from the hub (in a mesh each two once), `back` to the hub, or `both`.",
    )
    peer_address = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=64,
        help_text="Where the far end of a pair is found; empty leaves it to what is known of it.",
    )


class NewTestSerializer(TestDefinitionSerializer):
    clients = serializers.ListField(child=serializers.UUIDField(), default=list, max_length=10_000)


def build_definition(values: Mapping[str, Any]) -> TestDefinition:
    return TestDefinition(**{name: values[name] for name in DEFINITION_FIELDS})


def read_definition(test: Test) -> dict[str, Any]:
    """The test as it is defined now, to be overlaid by a partial change."""
    values = {name: getattr(test, name) for name in DEFINITION_FIELDS}
    return {**values, "target": test.target.address if test.target else ""}


class ChosenClientSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class LeftOutSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    reason = serializers.CharField()


class LoadSerializer(serializers.Serializer[Any]):
    packets_per_second = serializers.FloatField()
    megabits_per_second = serializers.FloatField()


class RehearsalSerializer(serializers.Serializer[Any]):
    """What would happen if the test were made."""

    clients = ChosenClientSerializer(many=True, help_text="Who would run it.")
    pair_count = serializers.IntegerField(
        help_text="How many pairs they would make; 0 for kinds of one participant."
    )
    left_out = LeftOutSerializer(many=True, help_text="Who matches but could not, and why.")
    note = serializers.CharField(help_text="Why fewer would run it than asked for; may be empty.")
    load = LoadSerializer(help_text="The most on each client while a run is running.")
    total_load = LoadSerializer(help_text="The same on all of them together.")
    busy_ratio = serializers.FloatField(help_text="The share of its time each client spends on it.")
    next_starts = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="The next starts, before each client's own phase and random offset.",
    )


def describe_rehearsal(rehearsal: Rehearsal) -> dict[str, Any]:
    left_out = [{"name": name, "reason": why} for name, why in rehearsal.left_out.items()]
    fields = {name: getattr(rehearsal, name) for name in REHEARSAL_FIELDS}
    return dict(RehearsalSerializer({**fields, "left_out": left_out}).data)


class TestBulkSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(choices=sorted(ACTIONS))
    tests = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=MOST_AT_ONCE
    )


class TestBulkFailureSerializer(serializers.Serializer[Any]):
    test = serializers.UUIDField(source="test_id")
    code = serializers.CharField()
    detail = serializers.CharField()


class TestBulkOutcomeSerializer(serializers.Serializer[Any]):
    """Each test is done or refused on its own."""

    done = serializers.ListField(child=serializers.UUIDField())
    failed = TestBulkFailureSerializer(many=True)


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
    peer_name = serializers.CharField(source="peer.name", default=None, read_only=True)
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
            "peer",
            "peer_name",
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
    peer = serializers.UUIDField(source="assignment.peer_id", read_only=True, allow_null=True)
    peer_name = serializers.CharField(source="assignment.peer.name", default=None, read_only=True)
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
            "peer",
            "peer_name",
            "slot",
            "schedule_revision",
            "start_at",
            "end_at",
            "state",
            "reason",
            "is_on_demand",
            "is_overlapped",
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
    target_form = serializers.CharField(
        help_text="host, resolver or url; peer for kinds that two clients run between them."
    )
    headline = serializers.ListField(child=serializers.CharField())
    chart = serializers.ListField(child=serializers.CharField())
    parameters = serializers.SerializerMethodField(help_text="JSON Schema of the parameters.")

    def get_description(self, kind: Any) -> str:
        return str(kind.schema.get("description", ""))

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_parameters(self, kind: Any) -> dict[str, Any]:
        schema: dict[str, Any] = kind.describe_parameters()
        return schema
