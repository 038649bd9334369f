from datetime import timedelta
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.ml.selectors.anomaly_rate import read_anomaly_rate

DEFAULT_SPAN = timedelta(hours=1)


class AnomalyRateQuery(serializers.Serializer[object]):
    start = serializers.DateTimeField(required=False, help_text="An hour before the end.")
    end = serializers.DateTimeField(required=False, help_text="Now.")


class UnusualMetricSerializer(serializers.Serializer[object]):
    source_id = serializers.IntegerField()
    source_kind = serializers.CharField()
    source_subject = serializers.CharField()
    test_id = serializers.UUIDField(allow_null=True)
    metric = serializers.CharField()
    findings = serializers.IntegerField()
    score = serializers.FloatField(help_text="The greatest; 1 is the edge of what is usual.")
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    text = serializers.CharField()


class AnomalyRateSerializer(serializers.Serializer[object]):
    judged = serializers.IntegerField(help_text="Series with enough values to be judged.")
    learning = serializers.IntegerField(help_text="Series that are learnt first.")
    unusual = serializers.IntegerField()
    rate = serializers.FloatField(allow_null=True, help_text="Unusual of those judged, 0 to 1.")
    metrics = UnusualMetricSerializer(many=True)


EXAMPLE = {
    "judged": 14,
    "learning": 2,
    "unusual": 1,
    "rate": 0.0714,
    "metrics": [
        {
            "source_id": 12,
            "source_kind": "host",
            "source_subject": "",
            "test_id": None,
            "metric": "system.cpu.utilization",
            "findings": 1,
            "score": 1.31,
            "first_at": "2026-01-31T11:35:00Z",
            "last_at": "2026-01-31T11:35:00Z",
            "text": "outside the range of the last 14 days by 31 % of its width",
        }
    ],
}


class AnomalyRateView(APIView):
    @extend_schema(
        tags=["ml"],
        summary="Show how much of what a client measures is unusual, and what most",
        description="Every chief metric is judged by its own past; the gravest stands first, as a "
        "hint where to look.",
        operation_id="clients_anomalies",
        parameters=[AnomalyRateQuery],
        responses=AnomalyRateSerializer,
        examples=[OpenApiExample("a busy processor", value=EXAMPLE, response_only=True)],
    )
    def get(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id)
        query = AnomalyRateQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        end = query.validated_data.get("end") or read_now()
        start = query.validated_data.get("start") or end - DEFAULT_SPAN
        found = read_anomaly_rate(client.id, start=start, end=end)
        return Response(AnomalyRateSerializer(found).data)
