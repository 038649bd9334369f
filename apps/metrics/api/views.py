from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.clients.selectors import get_client
from apps.metrics.api.serializers import (
    DocumentQuery,
    DocumentSerializer,
    MetricQuery,
    MetricSerializer,
    SourceQuery,
    SourceSerializer,
)
from apps.metrics.catalogue import METRICS
from apps.metrics.selectors import get_document, list_host_values


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


PROCESSES_EXAMPLE = {
    "kind": "processes",
    "at": "2026-01-31T12:00:00Z",
    "received_at": "2026-01-31T12:00:01Z",
    "document": {
        "interval_seconds": 60.0,
        "total": 132,
        "thread_total": 410,
        "states": {"sleeping": 130, "running": 2},
        "shows_arguments": False,
        "missing": [],
        "rows": [
            {
                "pid": 812,
                "name": "postgres",
                "user": "postgres",
                "state": "running",
                "cpu_ratio": 0.31,
                "rss_bytes": 184549376,
                "threads": 1,
                "started_at": "2026-01-30T08:15:00Z",
                "command": "postgres",
            }
        ],
        "left_out": 0,
    },
}


class DocumentView(APIView):
    @extend_schema(
        tags=["clients"],
        summary="Show a client's processes or connections",
        description="The top processes or the listening sockets and connections of the host, as "
        "its agent saw them last (or last before `at`). 404 while there are none.",
        operation_id="clients_documents",
        parameters=[DocumentQuery],
        responses=DocumentSerializer,
        examples=[OpenApiExample("processes", value=PROCESSES_EXAMPLE, response_only=True)],
    )
    def get(self, request: Request, id: UUID) -> Response:
        client = get_client(request.user, id)
        query = DocumentQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        document = get_document(client.id, wanted["kind"], wanted.get("at"))
        return Response(DocumentSerializer(document).data)
