import math
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from apps.core.clock import read_now
from apps.ml.models import HealthScore
from apps.ml.selectors.goals import GoalChange, read_goal
from apps.ml.selectors.health import get_score, list_scores, read_course
from apps.ml.services.health import clear_goal, set_goal
from apps.tests.models import Test
from apps.tests.selectors import get_test, get_test_to_change

SUBJECTS = ("test", "client", "site", "all")
DEFAULT_SPAN = timedelta(days=1)
MOST_SPAN = timedelta(days=370)
MOST_BUCKETS = 1000
EXAMPLE = OpenApiExample(
    "a path that loses packets",
    value={
        "id": "0c1f5a3e-7c0b-4d1e-9d6a-1f2e3d4c5b6a",
        "subject": "test",
        "assignment": "5f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "test": "2f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "test_name": "Ping to the gateway",
        "client": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "client_name": "probe-1",
        "site": None,
        "site_name": None,
        "score": 76,
        "band": "warning",
        "reason": "",
        "is_partial": True,
        "pillars": {"availability": 100.0, "performance": 61.2, "reliability": 100.0},
        "deductions": [
            {"pillar": "performance", "input": "loss", "value": 0.02, "points": 23.8},
        ],
        "unknown_count": 0,
        "computed_at": "2026-01-31T12:00:00Z",
    },
    response_only=True,
)


class HealthFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    subject = filters.ChoiceFilter(
        choices=[(name, name) for name in SUBJECTS],
        method="keep_subject",
        label="Of a test on a client, a client, a site, or all",
    )
    test = filters.UUIDFilter(field_name="assignment__test_id", label="Of this test's clients")
    client = filters.UUIDFilter(method="keep_client", label="Of this client and its tests")
    site = filters.NumberFilter(field_name="site_id", label="Of this site")

    class Meta:
        model = HealthScore
        fields = ["band"]

    def keep_subject(
        self, rows: QuerySet[HealthScore], _name: str, value: str
    ) -> QuerySet[HealthScore]:
        columns = {"test": "assignment", "client": "client", "site": "site"}
        if value in columns:
            return rows.filter(**{f"{columns[value]}__isnull": False})
        return rows.filter(**{f"{name}__isnull": True for name in columns.values()})

    def keep_client(
        self, rows: QuerySet[HealthScore], _name: str, value: UUID
    ) -> QuerySet[HealthScore]:
        return rows.filter(Q(client_id=value) | Q(assignment__client_id=value))


class DeductionSerializer(serializers.Serializer[Any]):
    """So many points of the score are lost: by an input of a test, or by a member of others."""

    pillar = serializers.CharField(required=False)
    input = serializers.CharField(required=False)
    value = serializers.FloatField(required=False, help_text="In the input's own unit.")
    member = serializers.CharField(
        required=False, help_text="Id: of a client's assignment, or of a site's or all's client."
    )
    points = serializers.FloatField()


class HealthSerializer(serializers.ModelSerializer[HealthScore]):
    """How well something is now; without a score, `reason` says why."""

    subject = serializers.SerializerMethodField(help_text="test, client, site or all.")
    test = serializers.UUIDField(source="assignment.test_id", read_only=True, default=None)
    test_name = serializers.CharField(source="assignment.test.name", read_only=True, default=None)
    client = serializers.SerializerMethodField(help_text="Also of a test the client it runs on.")
    client_name = serializers.SerializerMethodField()
    site_name = serializers.CharField(source="site.name", read_only=True, default=None)
    pillars = serializers.DictField(
        child=serializers.FloatField(), help_text="Of a test, 0 to 100 each; empty of others."
    )
    deductions = DeductionSerializer(many=True)

    class Meta:
        model = HealthScore
        fields = [
            "id", "subject", "assignment", "test", "test_name", "client", "client_name", "site",
            "site_name", "score", "band", "reason", "is_partial", "pillars", "deductions",
            "unknown_count", "computed_at",
        ]  # fmt: skip

    def get_subject(self, row: HealthScore) -> str:
        parts = zip(SUBJECTS, (row.assignment_id, row.client_id, row.site_id), strict=False)
        return next((name for name, known in parts if known is not None), SUBJECTS[-1])

    def get_client(self, row: HealthScore) -> UUID | None:
        return row.assignment.client_id if row.assignment is not None else row.client_id

    def get_client_name(self, row: HealthScore) -> str | None:
        client = row.assignment.client if row.assignment is not None else row.client
        return None if client is None else client.name


class CourseQuery(serializers.Serializer[Any]):
    start = serializers.DateTimeField(required=False, help_text="Default: a day before the end.")
    end = serializers.DateTimeField(required=False, help_text="Default: now. At most 370 days.")
    buckets = serializers.IntegerField(default=288, min_value=1, max_value=MOST_BUCKETS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end = attrs.setdefault("end", read_now())
        start = attrs.setdefault("start", end - DEFAULT_SPAN)
        if not timedelta(0) < end - start <= MOST_SPAN:
            detail = f"must be before the end, by at most {MOST_SPAN.days} days"
            raise serializers.ValidationError({"start": detail})
        return attrs


class CourseSerializer(serializers.Serializer[Any]):
    """Equal buckets, oldest first; null where nothing was known."""

    step_seconds = serializers.FloatField()
    at = serializers.ListField(child=serializers.FloatField(), help_text="Begins, Unix seconds.")
    mean = serializers.ListField(child=serializers.FloatField(allow_null=True))
    lowest = serializers.ListField(child=serializers.FloatField(allow_null=True))
    highest = serializers.ListField(child=serializers.FloatField(allow_null=True))


class HealthViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[HealthScore]):
    queryset = HealthScore.objects.none()
    serializer_class = HealthSerializer
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_class = HealthFilter

    def get_queryset(self) -> QuerySet[HealthScore]:
        return list_scores(self.request.user).defer("tallies")

    @extend_schema(
        tags=["ml"],
        summary="List the health scores",
        description="The worst first. Those of sites and of all only where the user sees every "
        "client in them. A score is 0 to 100: healthy from 80, warning from 60, critical below; "
        "the deductions add up to what is lost.",
        examples=[EXAMPLE],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(tags=["ml"], summary="Show a health score", examples=[EXAMPLE])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        tags=["ml"],
        summary="Show how a health score changed",
        description="The mean of each bucket is weighted by time.",
        parameters=[CourseQuery],
        responses=CourseSerializer,
    )
    @action(detail=True)
    def history(self, request: Request, id: UUID) -> Response:
        row = get_score(request.user, id)
        query = CourseQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        course = read_course(row, **query.validated_data)
        document = {
            "step_seconds": course.step_seconds,
            "at": course.at.tolist(),
            "mean": hide_unknown(course.mean.tolist()),
            "lowest": hide_unknown(course.lowest.tolist()),
            "highest": hide_unknown(course.highest.tolist()),
        }
        return Response(CourseSerializer(document).data)


def hide_unknown(values: list[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


class GoalSerializer(serializers.Serializer[Any]):
    """Ratios and seconds; full marks up to what is good, none from what is bad on."""

    availability_goal_ratio = serializers.FloatField(help_text="Above 0.9, at most 1.")
    latency_good_seconds = serializers.FloatField()
    latency_bad_seconds = serializers.FloatField()
    jitter_good_seconds = serializers.FloatField()
    jitter_bad_seconds = serializers.FloatField()
    throughput_bits_per_second = serializers.FloatField(
        allow_null=True, default=None, help_text="Null: the client's own median of two weeks."
    )


class AskedGoalSerializer(GoalSerializer):
    is_own = serializers.BooleanField(help_text="False: what is usual for the test's kind.")


class HealthGoalView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show what a test's health is measured by",
        operation_id="tests_health_goal_retrieve",
        responses=AskedGoalSerializer,
    )
    def get(self, request: Request, id: UUID) -> Response:
        return describe_goal(get_test(request.user, id))

    @extend_schema(
        tags=["ml"],
        summary="Measure a test's health by a goal of its own",
        operation_id="tests_health_goal_update",
        request=GoalSerializer,
        responses=AskedGoalSerializer,
    )
    def put(self, request: Request, id: UUID) -> Response:
        test = get_test_to_change(request.user, id)
        asked = GoalSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        set_goal(test, GoalChange(**asked.validated_data))
        return describe_goal(test)

    @extend_schema(
        tags=["ml"],
        summary="Measure a test's health by what is usual for its kind again",
        operation_id="tests_health_goal_destroy",
        responses={204: None},
    )
    def delete(self, request: Request, id: UUID) -> Response:
        clear_goal(get_test_to_change(request.user, id))
        return Response(status=status.HTTP_204_NO_CONTENT)


def describe_goal(test: Test) -> Response:
    asked = read_goal(test)
    return Response(AskedGoalSerializer({**asdict(asked.values), "is_own": asked.is_own}).data)
