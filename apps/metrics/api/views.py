from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.clients.selectors import get_client
from apps.metrics.api.serializers import (
    MetricQuery,
    MetricSerializer,
    SourceQuery,
    SourceSerializer,
)
from apps.metrics.catalogue import METRICS
from apps.metrics.selectors import list_host_values


class MetricListView(APIView):
    @extend_schema(
        tags=["metrics"],
        summary="List every metric with its unit and meaning",
        operation_id="metrics_list",
        parameters=[MetricQuery],
        responses=MetricSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        query = MetricQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        group = query.validated_data.get("group")
        word = query.validated_data.get("search", "").lower()
        rows = [
            metric
            for metric in METRICS.values()
            if group in (None, metric.group)
            and word in f"{metric.name} {metric.description}".lower()
        ]
        return Response(MetricSerializer(rows, many=True).data)


class SourceListView(APIView):
    @extend_schema(
        tags=["metrics"],
        summary="List a client's sources with their newest values",
        operation_id="sources_list",
        parameters=[SourceQuery],
        responses=SourceSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        query = SourceQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        client = get_client(request.user, query.validated_data["client"])
        return Response(SourceSerializer(list_host_values(client.id), many=True).data)
