"""Reading the audit, for those who administer everything."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.viewsets import GenericViewSet

from apps.accounts.api.serializers import AuditSerializer
from apps.accounts.models import AuditEntry
from apps.accounts.policy import Permission
from apps.accounts.selectors import list_audit, match_audit_text
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

    def get_queryset(self) -> QuerySet[AuditEntry]:
        return list_audit(self.request.user)
