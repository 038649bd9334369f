"""Reading what was planned and found: assignments, runs, results, and the kinds of test."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet, ViewSet

from apps.core.errors import NotFound
from apps.tests.api.filters import AssignmentFilter, ResultFilter, RunFilter
from apps.tests.api.serializers import (
    AssignmentSerializer,
    KindSerializer,
    ResultDetailSerializer,
    ResultSerializer,
    RunSerializer,
)
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment, Result, Run
from apps.tests.selectors import list_assignments, list_results, list_runs


@extend_schema_view(
    list=extend_schema(tags=["tests"], summary="List which client runs which test"),
    retrieve=extend_schema(tags=["tests"], summary="Show an assignment with its last values"),
)
class AssignmentViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Assignment]):
    queryset = Assignment.objects.none()
    serializer_class = AssignmentSerializer
    filterset_class = AssignmentFilter
    lookup_field = "id"
    lookup_value_converter = "uuid"
    ordering_fields = ["created_at", "last_run_at", "test__name", "client__name"]

    def get_queryset(self) -> QuerySet[Assignment]:
        return list_assignments(self.request.user)


@extend_schema_view(
    list=extend_schema(tags=["runs"], summary="List the runs, the latest first"),
    retrieve=extend_schema(tags=["runs"], summary="Show a run with its result"),
)
class RunViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Run]):
    queryset = Run.objects.none()
    serializer_class = RunSerializer
    filterset_class = RunFilter
    lookup_field = "id"
    lookup_value_converter = "uuid"
    ordering_fields = ["start_at", "started_at", "finished_at", "state"]

    def get_queryset(self) -> QuerySet[Run]:
        return list_runs(self.request.user).defer("result__document", "result__facts")


@extend_schema_view(
    list=extend_schema(tags=["runs"], summary="List the results, the latest first"),
    retrieve=extend_schema(tags=["runs"], summary="Show all that a run found"),
)
class ResultViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Result]):
    queryset = Result.objects.none()
    filterset_class = ResultFilter
    lookup_field = "run_id"
    lookup_url_kwarg = "id"
    lookup_value_converter = "uuid"
    ordering = ["-started_at"]
    ordering_fields = ["started_at", "finished_at", "received_at"]

    def get_queryset(self) -> QuerySet[Result]:
        rows = list_results(self.request.user)
        return rows.defer("document", "facts") if self.action == "list" else rows

    def get_serializer_class(self) -> type[BaseSerializer[Result]]:
        return ResultSerializer if self.action == "list" else ResultDetailSerializer


class KindViewSet(ViewSet):
    lookup_field = "name"

    @extend_schema(
        tags=["tests"],
        summary="List the kinds of test with the schemas of their parameters",
        responses=KindSerializer(many=True),
    )
    def list(self, _request: Request) -> Response:
        return Response(KindSerializer(list(KINDS.values()), many=True).data)

    @extend_schema(tags=["tests"], summary="Show a kind of test", responses=KindSerializer)
    def retrieve(self, _request: Request, name: str) -> Response:
        if name not in KINDS:
            raise NotFound("kind_unknown", f"There is no kind of test called {name!r}.")
        return Response(KindSerializer(KINDS[name]).data)
