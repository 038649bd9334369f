"""Reading and exporting the audit, for those who administer everything."""

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils.functional import cached_property
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from apps.accounts.api.serializers import AuditSerializer
from apps.accounts.audit_export import FORMATS, write_export
from apps.accounts.models import AuditEntry
from apps.accounts.policy import Permission
from apps.accounts.selectors import list_audit, match_audit_text
from apps.core.errors import FieldError, Invalid
from apps.core.http import Pagination

COUNTED = 10_000


class AuditFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", label="Not before")
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", label="Before")
    person = filters.CharFilter(field_name="actor_label", label="Name of who acted")
    older = filters.NumberFilter(field_name="id", lookup_expr="lt", label="Below this id")
    q = filters.CharFilter(method="match_text", label="Part of who, from, what or which")

    class Meta:
        model = AuditEntry
        fields = ["via", "action", "object_type", "object_id", "actor"]

    def match_text(self, rows: QuerySet[AuditEntry], _name: str, text: str) -> QuerySet[AuditEntry]:
        return match_audit_text(rows, text)


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts no further than 10,000: counting millions of entries takes long."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNTED].count() if isinstance(rows, QuerySet) else len(rows)


class AuditPagination(Pagination):
    django_paginator_class = CappedPaginator


@extend_schema_view(
    list=extend_schema(
        tags=["accounts"],
        summary="List who changed what",
        description="`count` goes up to 10,000; what is older is reached with `older`, the id of "
        "the last entry at hand, or by time.",
    ),
    retrieve=extend_schema(tags=["accounts"], summary="Show one change with before and after"),
)
class AuditViewSet(ListModelMixin, RetrieveModelMixin, GenericViewSet[AuditEntry]):
    queryset = AuditEntry.objects.none()
    serializer_class = AuditSerializer
    pagination_class = AuditPagination
    filterset_class = AuditFilter
    read_permission = Permission.ADMINISTER
    lookup_field = "id"
    lookup_value_converter = "int"
    ordering_fields = ["at"]
    own_parameters: tuple[str, ...] = ()

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return list_audit(self.request.user)

    @extend_schema(
        tags=["accounts"],
        summary="Export the audit",
        description="Newest first, with the filters of the list. In CSV, text that a spreadsheet "
        "would execute begins with an apostrophe.",
        parameters=[
            OpenApiParameter("as", enum=list(FORMATS), default="csv", description="The format.")
        ],
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/jsonl"): OpenApiTypes.STR,
        },
    )
    @action(detail=False, pagination_class=None, own_parameters=("as",))
    def export(self, request: Request) -> StreamingHttpResponse:
        name = request.query_params.get("as", "csv")
        if name not in FORMATS:
            allowed = ", ".join(FORMATS)
            raise Invalid([FieldError("as", "unknown_format", f"must be one of {allowed}")])
        rows = self.filter_queryset(self.get_queryset())
        lines: Any = write_export(rows, name)
        response = StreamingHttpResponse(lines, content_type=FORMATS[name].content_type)
        response["Content-Disposition"] = f'attachment; filename="audit.{name}"'
        return response
