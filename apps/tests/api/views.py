from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.clients.models import Client
from apps.clients.selectors import pick_clients
from apps.tests import services
from apps.tests.api.filters import TestFilter
from apps.tests.api.serializers import (
    AssignSerializer,
    NewTestSerializer,
    RehearsalSerializer,
    RunNowSerializer,
    RunSerializer,
    StoppedSerializer,
    TestBulkOutcomeSerializer,
    TestBulkSerializer,
    TestDefinitionSerializer,
    TestSerializer,
    build_definition,
    describe_rehearsal,
    read_definition,
)
from apps.tests.models import Test
from apps.tests.selectors import (
    get_test,
    get_test_to_change,
    get_test_to_delete,
    list_assignments,
    list_runs,
    list_tests,
    require_reach,
)

PING_EXAMPLE = OpenApiExample(
    "ping every five minutes",
    value={
        "name": "Gateway",
        "kind": "ping",
        "target": "192.0.2.1",
        "duration_seconds": 60,
        "sample_interval_seconds": 5,
        "schedule_kind": "every",
        "every_seconds": 300,
        "slip_seconds": 30,
        "parameters": {"interval_seconds": 0.5},
        "clients": ["7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02"],
    },
    request_only=True,
)
ANY_EXAMPLE = OpenApiExample(
    "nightly, on any 3 clients of two sites",
    value={
        "name": "Backbone at night",
        "kind": "ping",
        "target": "192.0.2.1",
        "duration_seconds": 60,
        "sample_interval_seconds": 5,
        "schedule_kind": "cron",
        "cron_expression": "0 2 * * 1-5",
        "time_zone": "Europe/Vienna",
        "slip_seconds": 60,
        "selection_kind": "any",
        "wanted_clients": 3,
        "selector": {"sites": ["vienna", "berlin"], "tags": ["edge"]},
    },
    request_only=True,
)
REHEARSAL_EXAMPLE = OpenApiExample(
    "one of two would run it",
    value={
        "clients": [{"id": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02", "name": "probe-1"}],
        "pair_count": 0,
        "left_out": [{"name": "probe-2", "reason": "lacks icmp_raw or icmp_datagram"}],
        "note": "1 of 2: no other client that matches is online, has room and can run Ping",
        "load": {"packets_per_second": 10.0, "megabits_per_second": 0.00944},
        "total_load": {"packets_per_second": 10.0, "megabits_per_second": 0.00944},
        "busy_ratio": 0.2,
        "next_starts": ["2026-11-23T01:00:00Z", "2026-11-24T01:00:00Z"],
    },
    response_only=True,
)
BULK_EXAMPLE = OpenApiExample(
    "pause two tests",
    value={
        "action": "pause",
        "tests": ["0c1f5a3e-7c0b-4d1e-9d6a-1f2e3d4c5b6a", "5d4cb0c2-31b0-4c2f-8a7a-93b3a1fb0f53"],
    },
    request_only=True,
)


@extend_schema_view(
    list=extend_schema(tags=["tests"], summary="List the tests"),
    retrieve=extend_schema(tags=["tests"], summary="Show a test"),
    create=extend_schema(
        tags=["tests"],
        summary="Make a test",
        request=NewTestSerializer,
        responses={201: TestSerializer},
        examples=[PING_EXAMPLE, ANY_EXAMPLE],
    ),
    update=extend_schema(
        tags=["tests"],
        summary="Define a test anew",
        request=TestDefinitionSerializer,
        responses=TestSerializer,
    ),
    partial_update=extend_schema(
        tags=["tests"],
        summary="Change parts of a test's definition",
        request=TestDefinitionSerializer,
        responses=TestSerializer,
    ),
    destroy=extend_schema(tags=["tests"], summary="Delete a test and everything measured by it"),
)
class TestViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Test]):
    queryset = Test.objects.none()
    serializer_class = TestSerializer
    filterset_class = TestFilter
    lookup_field = "id"
    lookup_value_converter = "uuid"
    ordering_fields = ["name", "kind", "target__address", "created_at", "is_paused"]

    def get_queryset(self) -> QuerySet[Test]:
        visible = list_assignments(self.request.user).filter(removed_at=None).order_by("created_at")
        return list_tests(self.request.user).prefetch_related(
            Prefetch("assignments", queryset=visible, to_attr="visible_assignments")
        )

    def answer(self, test_id: UUID, status: int = 200) -> Response:
        test = self.get_queryset().get(id=test_id)
        return Response(TestSerializer(test).data, status=status)

    def create(self, request: Request) -> Response:
        definition, clients = self.read_new(request)
        test = services.create_test(definition, clients=clients)
        return self.answer(test.id, status=201)

    def read_new(self, request: Request) -> tuple[services.TestDefinition, list[Client]]:
        """The test asked for and the clients named, both in the user's reach."""
        asked = NewTestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        require_reach(
            request.user,
            selection_kind=values["selection_kind"],
            selector=values["selector"],
            hub_id=values["hub_id"],
        )
        return build_definition(values), pick_clients(request.user, values["clients"])

    @extend_schema(
        tags=["tests"],
        summary="Try a test out without making it",
        description=(
            "Checks it as making it would, and says who would run it, when, and at what load."
        ),
        request=NewTestSerializer,
        responses=RehearsalSerializer,
        examples=[ANY_EXAMPLE, REHEARSAL_EXAMPLE],
    )
    @action(detail=False, methods=["post"], url_path="dry-run")
    def dry_run(self, request: Request) -> Response:
        definition, clients = self.read_new(request)
        rehearsal = services.rehearse_test(definition, clients=clients)
        return Response(describe_rehearsal(rehearsal))

    @extend_schema(
        tags=["tests"],
        summary="Pause, resume, run or delete many tests",
        description="Each is done or refused on its own; the answer says which, and why.",
        request=TestBulkSerializer,
        responses=TestBulkOutcomeSerializer,
        examples=[BULK_EXAMPLE],
    )
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        asked = TestBulkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        outcome = services.act_on_tests(
            user=request.user,
            action=asked.validated_data["action"],
            test_ids=asked.validated_data["tests"],
        )
        return Response(TestBulkOutcomeSerializer(outcome).data)

    def update(self, request: Request, id: UUID) -> Response:
        return self.change(request, id, is_partial=False)

    def partial_update(self, request: Request, id: UUID) -> Response:
        return self.change(request, id, is_partial=True)

    def change(self, request: Request, test_id: UUID, *, is_partial: bool) -> Response:
        test = get_test_to_change(request.user, test_id)
        asked = TestDefinitionSerializer(data=request.data, partial=is_partial)
        asked.is_valid(raise_exception=True)
        kept: dict[str, Any] = read_definition(test) if is_partial else {}
        values = {**kept, **asked.validated_data}
        require_reach(
            request.user,
            selection_kind=values["selection_kind"],
            selector=values["selector"],
            hub_id=values["hub_id"],
        )
        services.change_test(test, build_definition(values))
        return self.answer(test.id)

    def destroy(self, request: Request, id: UUID) -> Response:
        services.delete_test(test=get_test_to_delete(request.user, id))
        return Response(status=204)

    @extend_schema(
        tags=["tests"],
        summary="Plan no more runs",
        description="A run that is running goes on to its end.",
        request=None,
        responses=TestSerializer,
    )
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, id: UUID) -> Response:
        services.pause_test(test=get_test_to_change(request.user, id))
        return self.answer(id)

    @extend_schema(
        tags=["tests"], summary="Plan runs again", request=None, responses=TestSerializer
    )
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, id: UUID) -> Response:
        services.resume_test(test=get_test_to_change(request.user, id))
        return self.answer(id)

    @extend_schema(
        tags=["tests"],
        summary="Start a run at once",
        description="Without `clients` on every client of the test. Clients on which a run asked"
        " for so is not over yet are left out; 409 `run_open` when that is all of them.",
        request=RunNowSerializer,
        responses={201: RunSerializer(many=True)},
    )
    @action(
        detail=True, methods=["post"], url_path="run-now", pagination_class=None, filter_backends=[]
    )
    def run_now(self, request: Request, id: UUID) -> Response:
        asked = RunNowSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        client_ids = asked.validated_data.get("clients")
        # Whoever operates these clients may use them, even if others run the test too; but a run
        # of two uses the far end as well, or is begun by it.
        test = get_test(request.user, id)
        if client_ids is None or test.topology:
            test = get_test_to_change(request.user, id)
        if client_ids is not None:
            client_ids = [client.id for client in pick_clients(request.user, client_ids)]
        made = services.run_now(test=test, client_ids=client_ids)
        runs = list_runs(request.user).filter(id__in=[run.id for run in made])
        return Response(RunSerializer(runs, many=True).data, status=201)

    @extend_schema(
        tags=["tests"],
        summary="Stop the runs that are running",
        request=None,
        responses=StoppedSerializer,
    )
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, id: UUID) -> Response:
        stopped = services.stop_runs(test=get_test_to_change(request.user, id))
        return Response({"stopped": stopped})

    @extend_schema(
        tags=["tests"],
        summary="Make exactly these clients run the test",
        description="Who is taken away keeps the history measured so far.",
        request=AssignSerializer,
        responses=TestSerializer,
    )
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, id: UUID) -> Response:
        test = get_test_to_change(request.user, id)
        asked = AssignSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        clients = pick_clients(request.user, asked.validated_data["clients"])
        services.assign_clients(test=test, clients=clients)
        return self.answer(id)
