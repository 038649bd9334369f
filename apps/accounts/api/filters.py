from django_filters import rest_framework as filters

from apps.accounts.models import AuditEntry


class AuditFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    after = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte", label="Not before")
    before = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt", label="Before")

    class Meta:
        model = AuditEntry
        fields = ["via", "action", "object_type", "object_id", "actor"]
