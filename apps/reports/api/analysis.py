from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.reports.selectors.analysis import (
    METHOD,
    Question,
    build_document,
    check_period,
    read_analysis,
)
from apps.tests.api.series import MomentField
from apps.tests.selectors import get_test

DEFAULT_SPAN = timedelta(days=7)


class AnalysisQuery(serializers.Serializer[Any]):
    """Which time, of which clients and tests."""

    start = MomentField(required=False, help_text="ISO 8601 or Unix seconds; default end - 7 d.")
    end = MomentField(required=False, help_text="ISO 8601 or Unix seconds; default now.")
    zone = serializers.CharField(
        required=False, max_length=64, help_text="For days and hours, such as Europe/Vienna."
    )
    site = serializers.CharField(required=False, max_length=50)
    tag = serializers.CharField(required=False, max_length=50)
    client = serializers.UUIDField(required=False)
    test = serializers.UUIDField(required=False)

    def validate_zone(self, name: str) -> ZoneInfo:
        if name not in available_timezones():
            raise serializers.ValidationError(f"there is no zone {name!r}", code="unknown")
        return ZoneInfo(name)


class ShareSerializer(serializers.Serializer[Any]):
    """Successes of all with a verdict; `low` and `high` bound the share by 95 %."""

    successes = serializers.IntegerField()
    total = serializers.IntegerField()
    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class TestAvailabilitySerializer(serializers.Serializer[Any]):
    __test__ = False

    test_id = serializers.UUIDField()
    name = serializers.CharField()
    share = ShareSerializer(allow_null=True)
    planned = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True)
    before = ShareSerializer(allow_null=True)
    chance = serializers.FloatField(
        allow_null=True, help_text="How probable such a change is by chance alone."
    )


class AvailabilitySerializer(serializers.Serializer[Any]):
    """Of all runs together, and by test, the worst first."""

    method = serializers.CharField()
    share = ShareSerializer(allow_null=True)
    planned = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True)
    before = ShareSerializer(allow_null=True)
    chance = serializers.FloatField(allow_null=True)
    tests = TestAvailabilitySerializer(many=True)


class FrequencySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    count = serializers.IntegerField()


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    count = serializers.IntegerField()


class AnomaliesSerializer(serializers.Serializer[Any]):
    """Findings that began in the period; days without any are not listed."""

    count = serializers.IntegerField()
    before = serializers.IntegerField()
    chance = serializers.FloatField(allow_null=True)
    per_day = serializers.FloatField()
    days = DaySerializer(many=True)
    metrics = FrequencySerializer(many=True)
    clients = FrequencySerializer(many=True)


class PeakClientSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    bits_per_second = serializers.FloatField()


class PeakSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    bits_per_second = serializers.FloatField()
    clients = PeakClientSerializer(many=True)


class TrendSerializer(serializers.Serializer[Any]):
    """Change a day (Theil-Sen); `low` and `high` bound it by 95 %."""

    per_day = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    points = serializers.IntegerField()
    is_clear = serializers.BooleanField()


class TrafficSerializer(serializers.Serializer[Any]):
    """All links of the clients together, in bit/s."""

    direction = serializers.ChoiceField(["receive", "transmit"])
    step_seconds = serializers.IntegerField(help_text="Length of the buckets behind the peak.")
    links = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True)
    before = serializers.FloatField(allow_null=True)
    change = serializers.FloatField(allow_null=True)
    peak = PeakSerializer(allow_null=True)
    trend = TrendSerializer(allow_null=True)
    week = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="Means by weekday, Monday first, and hour of the day in the zone.",
    )


class HeadlineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    unit = serializers.CharField()
    now = serializers.FloatField(allow_null=True)
    before = serializers.FloatField(allow_null=True)
    ratio = serializers.FloatField(allow_null=True, help_text="(now - before) / before.")
    better = serializers.ChoiceField(["lower", "higher", "neither"])
    chance = serializers.FloatField(allow_null=True)
    verdict = serializers.ChoiceField(
        ["new", "missing", "same", "by_chance", "better", "worse", "higher", "lower"]
    )


class CourseEffectSerializer(serializers.Serializer[Any]):
    now = serializers.FloatField(help_text="Median.")
    before = serializers.FloatField(help_text="Median.")
    size = serializers.FloatField(help_text="Their distance in usual spreads within each period.")
    dominance = serializers.FloatField(help_text="Cliff's delta, from -1 to 1.")


class TopChangeSerializer(serializers.Serializer[Any]):
    client_id = serializers.UUIDField()
    client = serializers.CharField()
    test_id = serializers.UUIDField(allow_null=True)
    test = serializers.CharField(allow_blank=True, help_text="Empty: of the client's own host.")
    metric = serializers.CharField()
    effect = CourseEffectSerializer()
    ratio = serializers.FloatField(allow_null=True)
    is_better = serializers.BooleanField(allow_null=True)


class AnalysisSerializer(serializers.Serializer[Any]):
    """The period beside the time of the same length just before."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    zone = serializers.CharField()
    headlines = HeadlineSerializer(many=True)
    availability = AvailabilitySerializer()
    anomalies = AnomaliesSerializer()
    traffic = TrafficSerializer(many=True)
    changes = TopChangeSerializer(many=True)


SHARE_EXAMPLE = {"successes": 1437, "total": 1440, "share": 0.9979, "low": 0.9939, "high": 0.9993}
EXAMPLE = {
    "start": "2026-01-24T12:00:00Z",
    "end": "2026-01-31T12:00:00Z",
    "zone": "Europe/Vienna",
    "headlines": [
        {
            "name": "availability",
            "unit": "1",
            "now": 0.9979,
            "before": 0.9986,
            "ratio": -0.0007,
            "chance": 0.99,
            "better": "higher",
            "verdict": "by_chance",
        }
    ],
    "availability": {
        "method": METHOD,
        "share": SHARE_EXAMPLE,
        "planned": 1440,
        "coverage": 1.0,
        "before": SHARE_EXAMPLE,
        "chance": 0.99,
        "tests": [],
    },
    "anomalies": {
        "count": 3,
        "before": 1,
        "chance": 0.62,
        "per_day": 0.43,
        "days": [{"day": "2026-01-30", "count": 3}],
        "metrics": [{"name": "net.rtt.median", "count": 3}],
        "clients": [{"name": "probe-1", "count": 3}],
    },
    "traffic": [],
    "changes": [],
}


class AnalysisView(APIView):
    @extend_schema(
        tags=["reports"],
        summary="Analyse a time beside the one before",
        description="Availability with its method and coverage, how often something was unusual, "
        "the traffic of all links with its trend, peak and busiest hours, and what changed most. "
        "10 minutes to 400 days, of the clients and tests that you may see.",
        operation_id="analysis_read",
        parameters=[AnalysisQuery],
        responses=AnalysisSerializer,
        examples=[OpenApiExample("a week", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request) -> Response:
        query = AnalysisQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        end = asked.get("end") or read_now()
        start = asked.get("start") or end - DEFAULT_SPAN
        client_id, test_id = asked.get("client"), asked.get("test")
        if client_id is not None:
            get_client(request.user, client_id)
        if test_id is not None:
            get_test(request.user, test_id)
        question = Question(
            user=request.user,
            period=check_period(start, end),
            zone=asked.get("zone") or ZoneInfo(timezone.get_current_timezone_name()),
            site=asked.get("site", ""),
            tag=asked.get("tag", ""),
            client_id=client_id,
            test_id=test_id,
        )
        return Response(build_document(read_analysis(question)))
