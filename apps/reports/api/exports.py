"""Taking rows along: downloaded at once, or made in the background and fetched later."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from apps.accounts.api.permissions import PolicyPermission, holds
from apps.accounts.models import User
from apps.accounts.policy import Permission
from apps.core.errors import FieldError, Invalid, Refused
from apps.reports.algorithms.formats import FORMATS, find_format, is_installed
from apps.reports.datasets import DATASETS, Dataset, find_dataset
from apps.reports.models import Export
from apps.reports.selectors.exports import get_export, list_exports, require_file
from apps.reports.services.exports import (
    Order,
    delete_export,
    open_link,
    open_stream,
    read_file_name,
    read_order,
    request_export,
    sign_link,
)
from apps.reports.services.exports.estimating import estimate_export
from apps.reports.writers.export_files import locate_file

GZIP_TYPE = "application/gzip"
SIGNATURE = "signature"
END_LINE = "end_line"
BYTES = {
    (200, content_type): OpenApiTypes.BINARY
    for content_type in ("text/csv", "application/json", "application/x-ndjson", GZIP_TYPE)
}
CALLER = "streamswarm.caller"


class AnyType(BaseContentNegotiation):
    """A file is of the type that its name says, whatever the caller accepts; refusals are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class DatasetSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    columns = serializers.ListField(
        child=serializers.DictField(), help_text="Name and kind of each column, in their order."
    )
    filters = serializers.DictField(
        child=serializers.CharField(), help_text="By what it may be narrowed, in words."
    )
    formats = serializers.ListField(
        child=serializers.CharField(), help_text="What this server can write."
    )


class ExportSerializer(serializers.ModelSerializer[Export]):
    requested_by = serializers.CharField(source="requested_by.username", read_only=True)
    state = serializers.ChoiceField(choices=Export.State.choices, read_only=True)
    progress = serializers.FloatField(read_only=True, help_text="From 0 to 1.")
    reason = serializers.CharField(read_only=True, help_text="Why it failed.")
    file_name = serializers.CharField(read_only=True)

    class Meta:
        model = Export
        fields = [
            "id", "dataset", "format", "is_gzip", "filters", "requested_by", "state", "progress",
            "reason", "file_name", "row_count", "size_bytes", "sha256", "created_at", "finished_at",
            "expires_at",
        ]  # fmt: skip
        read_only_fields = fields


class NewExportSerializer(serializers.Serializer[Any]):
    dataset = serializers.ChoiceField(choices=list(DATASETS))
    format = serializers.ChoiceField(choices=list(FORMATS), default="csv")
    is_gzip = serializers.BooleanField(default=False)
    filters = serializers.DictField(
        child=serializers.JSONField(),
        default=dict,
        help_text="The filters of the dataset: each a text, or several texts in a list.",
    )

    def validate_filters(self, filters: dict[str, Any]) -> dict[str, list[str]]:
        found = {}
        for name, value in filters.items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(one, str | int | float | bool) for one in values):
                raise serializers.ValidationError(f"{name}: must be a text or a list of texts")
            found[name] = [str(one) for one in values]
        return found


class LinkSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(help_text="Opens the file for whoever has it, without signing in.")
    expires_at = serializers.DateTimeField()


class EstimateSerializer(serializers.Serializer[Any]):
    row_count = serializers.IntegerField(help_text="About as many rows.")
    size_bytes = serializers.IntegerField(help_text="About so large a file.")
    is_at_least = serializers.BooleanField(
        help_text="There is more than was counted: both are at least that much."
    )


def require_scope(request: Request, dataset: Dataset) -> None:
    """Raises: Refused when the request's token does not reach as far as the dataset asks."""
    if not holds(request, dataset.permission) and dataset.permission == Permission.ADMINISTER:
        raise Refused("refused", f"Your role does not allow you to export {dataset.name}.")


class DatasetsView(APIView):
    @extend_schema(
        tags=["reports"],
        summary="List what can be exported",
        operation_id="exports_datasets",
        responses=DatasetSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        shown = [one for one in DATASETS.values() if holds(request, one.permission)]
        return Response(DatasetSerializer([describe_dataset(one) for one in shown], many=True).data)


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "title": dataset.title,
        "columns": [{"name": one.name, "kind": one.kind.value} for one in dataset.columns],
        "filters": {
            name: str(one.label or name) for name, one in dataset.filterset.base_filters.items()
        },
        "formats": [name for name, one in FORMATS.items() if is_installed(one)],
    }


class DownloadView(APIView):
    """Rows as they come out of the database; nothing of them is kept."""

    content_negotiation_class = AnyType

    @extend_schema(
        tags=["reports"],
        summary="Download rows at once",
        description="`name` is a dataset and a format, such as `runs.csv`, `samples.ndjson` or "
        "`results.json.gz`; query parameters are the filters of the dataset. A whole CSV file ends "
        'with `# complete: N rows`, NDJSON with `{"_end":{"rows":N,"is_complete":true}}`, JSON '
        "with its last bracket; `end_line=no` leaves that line out. In CSV, text that a "
        "spreadsheet would execute begins with an apostrophe.",
        operation_id="exports_download",
        parameters=[
            OpenApiParameter(
                END_LINE, enum=["yes", "no"], default="yes", description="The line that ends it."
            )
        ],
        responses=BYTES,
    )
    def get(self, request: Request, name: str) -> StreamingHttpResponse:
        order = read_download(request, name)
        require_scope(request, order.dataset)
        stream: Any = open_stream(request.user, order, is_wanted=find_interest(request))
        content_type = GZIP_TYPE if order.is_gzip else order.format.content_type
        response = StreamingHttpResponse(stream, content_type=content_type)
        response["Content-Disposition"] = f'attachment; filename="{order.file_name}"'
        if order.is_gzip:
            # Nothing is to compress it once more on its way.
            response["Content-Encoding"] = "identity"
        return response


def read_download(request: Request, name: str) -> Order:
    """Raises: NotFound, Invalid."""
    dataset, format_name, is_gzip = read_file_name(name)
    filters = dict(request.query_params.lists())
    said = filters.pop(END_LINE, ["yes"])[-1]
    if said not in {"yes", "no"}:
        raise Invalid([FieldError(END_LINE, "invalid", "must be yes or no")])
    return read_order(
        dataset=dataset,
        format_name=format_name,
        filters=filters,
        is_gzip=is_gzip,
        has_end_line=said == "yes",
    )


def read_body(request: Request) -> Order:
    """Raises: ValidationError, Invalid, Refused."""
    asked = NewExportSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    values = asked.validated_data
    find_format(values["format"], is_gzip=values["is_gzip"])
    order = read_order(
        dataset=values["dataset"],
        format_name=values["format"],
        filters=values["filters"],
        is_gzip=values["is_gzip"],
    )
    require_scope(request, order.dataset)
    return order


def find_interest(request: Request) -> Callable[[], bool]:
    """What says whether the caller is still there, as far as the server can tell."""
    caller = request.META.get("asgi.scope", {}).get(CALLER)
    return (lambda: not caller.is_gone) if caller is not None else (lambda: True)


class LinkOrPolicy(PolicyPermission):
    """A signed link is enough for a file; the view proves it."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_linked = getattr(view, "action", "") == "file" and SIGNATURE in request.query_params
        return is_linked or super().has_permission(request, view)


@extend_schema_view(
    list=extend_schema(
        tags=["reports"],
        summary="List the exports made in the background",
        description="Your own; everybody's for administrators.",
    ),
    retrieve=extend_schema(tags=["reports"], summary="Show an export and how far it is"),
)
class ExportViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[Export]):
    serializer_class = ExportSerializer
    queryset = Export.objects.none()
    permission_classes = (LinkOrPolicy,)
    # Whoever may look may take along what is seen.
    write_permission = Permission.VIEW
    lookup_field = "id"
    lookup_value_converter = "uuid"
    filterset_fields = ("dataset", "format")
    ordering_fields = ("created_at", "row_count", "size_bytes")

    def get_queryset(self) -> QuerySet[Export]:
        return list_exports(self.request.user)

    def get_object(self) -> Export:
        return get_export(self.request.user, self.kwargs["id"])

    @extend_schema(
        tags=["reports"],
        summary="Have an export made in the background",
        description="Its state says when the file is ready; it is kept for some hours.",
        request=NewExportSerializer,
        responses={201: ExportSerializer},
        examples=[
            OpenApiExample(
                "a month of results",
                value={
                    "dataset": "results",
                    "format": "ndjson",
                    "is_gzip": True,
                    "filters": {"after": "2026-01-01T00:00:00Z", "before": "2026-02-01T00:00:00Z"},
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request) -> Response:
        order = read_body(request)
        if not isinstance(request.user, User):
            raise Refused("refused", "An export belongs to a user.")
        export = request_export(user=request.user, order=order)
        return Response(ExportSerializer(export).data, status=201)

    @extend_schema(
        tags=["reports"],
        summary="Estimate an export without making it",
        description="By its first rows; takes what making one takes.",
        request=NewExportSerializer,
        responses=EstimateSerializer,
    )
    @action(detail=False, methods=["post"])
    def estimate(self, request: Request) -> Response:
        order = read_body(request)
        return Response(EstimateSerializer(estimate_export(request.user, order)).data)

    @extend_schema(
        tags=["reports"],
        summary="Delete an export and its file",
        description="One that is being made is stopped.",
    )
    def destroy(self, request: Request, id: UUID) -> Response:
        delete_export(export=get_export(request.user, id))
        return Response(status=204)

    @extend_schema(
        tags=["reports"],
        summary="Download the file of an export",
        description="With `signature`, which a link has, nobody need sign in. 409 "
        "`export_not_ready` before it is written, `export_outdated` once its maker sees less.",
        parameters=[OpenApiParameter(SIGNATURE, description="As the link has it.")],
        responses=BYTES,
    )
    @action(
        detail=True, pagination_class=None, filter_backends=[], content_negotiation_class=AnyType
    )
    def file(self, request: Request, id: UUID) -> HttpResponseBase:
        signature = request.query_params.get(SIGNATURE)
        if signature is not None:
            return send_file(open_link(id, signature))
        export = get_export(request.user, id)
        require_scope(request, find_dataset(export.dataset))
        return send_file(export)

    @extend_schema(
        tags=["reports"],
        summary="Make a link to the file of an export",
        description="It works for an hour, for whoever has it.",
        request=None,
        responses=LinkSerializer,
    )
    @action(detail=True, methods=["post"])
    def link(self, request: Request, id: UUID) -> Response:
        export = get_export(request.user, id)
        require_scope(request, find_dataset(export.dataset))
        link = sign_link(export)
        path = f"{reverse('export-file', args=[export.id])}?{SIGNATURE}={link.signature}"
        answer = {"url": request.build_absolute_uri(path), "expires_at": link.expires_at}
        return Response(LinkSerializer(answer).data)


def send_file(export: Export) -> HttpResponseBase:
    """Raises: Conflict when there is no file (any more), or not for its maker."""
    require_file(export, find_dataset(export.dataset).permission)
    return build_file_response(export)


def build_file_response(export: Export) -> FileResponse:
    file = locate_file(export.id).open("rb")
    content_type = GZIP_TYPE if export.is_gzip else FORMATS[export.format].content_type
    response = FileResponse(
        file, as_attachment=True, filename=export.file_name, content_type=content_type
    )
    if export.is_gzip:
        response["Content-Encoding"] = "identity"
    return response
