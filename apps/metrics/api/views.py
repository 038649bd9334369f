from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.policy import Permission
from apps.clients.selectors import get_client
from apps.core.clock import read_now
from apps.metrics.api.serializers import (
    DocumentQuery,
    DocumentSerializer,
    MetricQuery,
    MetricSerializer,
    SourceQuery,
    SourceSerializer,
    StorageSerializer,
)
from apps.metrics.catalogue import METRICS
from apps.metrics.selectors import get_document, list_host_values, read_storage


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
        emitter = query.validated_data.get("emitted_by")
        word = query.validated_data.get("search", "").lower()
        rows = [
            metric
            for metric in METRICS.values()
            if group in (None, metric.group)
            and (emitter is None or emitter in metric.emitted_by)
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


STORAGE_EXAMPLE = {
    "tiers": [
        {
            "name": "raw",
            "title": "Measured values",
            "step_seconds": 0,
            "rows": 4233600,
            "bytes": 1270080000,
            "oldest_at": "2026-01-17T00:00:03Z",
            "newest_at": "2026-01-31T12:00:01Z",
            "kept_days": 14,
            "bytes_per_day": 87591724.1,
        }
    ],
    "database_bytes": 3221225472,
    "free_bytes": 53687091200,
    "bytes_per_day": 121634816.0,
    "days_left": None,
    "reason": "All that will be kept fits on the disk.",
}


class StorageView(APIView):
    read_permission = Permission.ADMINISTER

    @extend_schema(
        tags=["metrics"],
        summary="Show how much disk the history uses, and how long the disk lasts",
        description="By tier: measured values, kept buckets, runs and results, all else. "
        "Settings of the group retention say how long each is kept.",
        operation_id="storage_read",
        responses=StorageSerializer,
        examples=[OpenApiExample("storage", value=STORAGE_EXAMPLE, response_only=True)],
    )
    def get(self, _request: Request) -> Response:
        return Response(StorageSerializer(read_storage(read_now())).data)
