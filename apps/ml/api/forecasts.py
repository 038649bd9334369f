from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.accounts.policy import Permission
from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.ml.models import Forecast
from apps.ml.selectors.forecasts import list_forecasts, recommend
from apps.ml.services.forecasting import ask_for_forecasts
from apps.tests.models import Assignment

STEP_SECONDS = 3600
EXAMPLE = OpenApiExample(
    "a disk that fills",
    value={
        "id": "0c1f5a3e-7c0b-4d1e-9d6a-1f2e3d4c5b6a",
        "client": "7f7c7c0e-0f55-4a7e-a9ef-2d1f5f4f6a02",
        "client_name": "probe-1",
        "test": None,
        "source_kind": "filesystem",
        "subject": "/var",
        "metric": "system.filesystem.utilization",
        "made_at": "2026-01-31T12:00:00Z",
        "step_seconds": 3600,
        "start_at": "2026-01-31T12:00:00Z",
        "middle": [0.71, 0.711],
        "lower": [0.706, 0.706],
        "upper": [0.714, 0.716],
        "lowest": [0.701, 0.7],
        "highest": [0.719, 0.722],
        "margin": 0.42,
        "origins": 30,
        "refusal": "",
        "count": 0,
        "needed": 0,
        "limit": 1.0,
        "verdict": "growing",
        "limit_refusal": "",
        "days_there": 0,
        "days_needed": 0,
        "level": 0.71,
        "growth": 0.0085,
        "growth_low": 0.006,
        "growth_high": 0.0107,
        "used_days": 41,
        "full_at": "2026-03-06T12:00:00Z",
        "full_soonest_at": "2026-02-27T12:00:00Z",
        "full_latest_at": "2026-03-20T12:00:00Z",
        "recommendation": "Disk /var on probe-1 is full in 34 days (27 to 48). It grew by 0.85 "
        "percentage points a day in the last 41 days. Free space, move data away or enlarge it.",
    },
    response_only=True,
)


class ForecastFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    client = filters.UUIDFilter(field_name="source__client_id", label="Of this client")
    test = filters.UUIDFilter(field_name="source__assignment__test_id", label="Of this test")
    has_limit = filters.BooleanFilter(
        field_name="limit", lookup_expr="isnull", exclude=True, label="With a limit, or without"
    )

    class Meta:
        model = Forecast
        fields = ["metric", "verdict", "refusal"]


class ForecastSerializer(serializers.ModelSerializer[Forecast]):
    """The hours to come of a metric, and when it reaches its limit; either may be refused."""

    client = serializers.UUIDField(source="source.client_id", read_only=True)
    client_name = serializers.CharField(source="source.client.name", read_only=True)
    test = serializers.SerializerMethodField(help_text="Of the test that measures it; or null.")
    source_kind = serializers.CharField(source="source.kind", read_only=True)
    subject = serializers.CharField(source="source.subject", read_only=True)
    step_seconds = serializers.SerializerMethodField(help_text="From one value to the next.")
    middle = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="What is expected."
    )
    lower = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="With upper: 80 % lie within."
    )
    upper = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    lowest = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="With highest: 95 % lie within."
    )
    highest = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    recommendation = serializers.SerializerMethodField(
        help_text="What to do about the limit; empty when nothing is to be done."
    )

    class Meta:
        model = Forecast
        fields = [
            "id", "client", "client_name", "test", "source_kind", "subject", "metric", "made_at",
            "step_seconds", "start_at", "middle", "lower", "upper", "lowest", "highest", "margin",
            "origins", "refusal", "count", "needed", "limit", "verdict", "limit_refusal",
            "days_there", "days_needed", "level", "growth", "growth_low", "growth_high",
            "used_days", "full_at", "full_soonest_at", "full_latest_at", "recommendation",
        ]  # fmt: skip

    def get_test(self, forecast: Forecast) -> UUID | None:
        assignment: Assignment | None = getattr(forecast.source, "assignment", None)
        return None if assignment is None else assignment.test_id

    def get_step_seconds(self, _forecast: Forecast) -> int:
        return STEP_SECONDS

    def get_recommendation(self, forecast: Forecast) -> str:
        return recommend(forecast, read_now())


class ForecastOrderSerializer(serializers.Serializer[Any]):
    """Whose forecasts are wanted anew."""

    client = serializers.UUIDField()


class ForecastJobSerializer(serializers.Serializer[Any]):
    """The job that makes them."""

    job = serializers.UUIDField(source="id")
    state = serializers.CharField()


class ForecastViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Forecast]):
    queryset = Forecast.objects.none()
    serializer_class = ForecastSerializer
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_class = ForecastFilter

    def get_queryset(self) -> QuerySet[Forecast]:
        return list_forecasts(self.request.user)

    @extend_schema(
        tags=["ml"],
        summary="List the forecasts",
        description="The most urgent limit first. Values of a day to come are there only where "
        "the forecast beat the day before, repeated, on this very series (`margin`); `refusal` "
        "says why they are not. Of file systems, memory and links also the time until their "
        "limit, with a range, by the growth since the last step.",
        examples=[EXAMPLE],
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(tags=["ml"], summary="Show a forecast", examples=[EXAMPLE])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().retrieve(request, *args, **kwargs)

    @extend_schema(
        tags=["ml"],
        summary="Have the forecasts of a client made anew",
        description="They are made once a day by themselves. Asking again while the job waits or "
        "runs gives the same job.",
        request=ForecastOrderSerializer,
        responses={202: ForecastJobSerializer},
    )
    @action(detail=False, methods=["post"])
    def refresh(self, request: Request) -> Response:
        order = ForecastOrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        client = get_client(request.user, order.validated_data["client"], Permission.OPERATE)
        job = ask_for_forecasts(client=client, now=read_now())
        return Response(ForecastJobSerializer(job).data, status=status.HTTP_202_ACCEPTED)
