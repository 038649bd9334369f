from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from apps.accounts.policy import AnyUser, Permission, find_scope, narrow
from apps.ml.models import Finding
from apps.ml.selectors.diagnoses import filter_client
from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import DOCUMENT, FLAG, MOMENT, NUMBER, TEXT, WORD, identify


class FindingFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    client = filters.UUIDFilter(field_name="client_id")
    test = filters.UUIDFilter(field_name="test_id")
    run = filters.UUIDFilter(field_name="run_id")
    kind = filters.MultipleChoiceFilter(
        choices=Finding.Kind.choices, label="One of these kinds", distinct=False
    )
    severity = filters.MultipleChoiceFilter(
        choices=Finding.Severity.choices, label="One of these severities", distinct=False
    )
    metric = filters.CharFilter(label="Key of the metric")
    cause = filters.CharFilter(label="Cause")
    after = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="gte", label="Not before"
    )
    before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt", label="Before")

    class Meta:
        model = Finding
        fields = ["is_provisional"]


def list_findings(user: AnyUser) -> QuerySet[Finding]:
    """The findings about clients that `user` may see."""
    scope = find_scope(user, Permission.VIEW)
    return narrow(Finding.objects.all(), scope, build_filter=filter_client)


FINDINGS = RowDataset(
    name="findings",
    title=_("Findings"),
    columns=(
        identify("finding", "id"),
        Column("kind", WORD, "kind"),
        Column("severity", WORD, "severity"),
        identify("client", "client_id"),
        Column("client_name", TEXT, "client__name"),
        Column("site", WORD, "client__site__slug"),
        identify("test", "test_id"),
        Column("test_name", TEXT, "test__name"),
        identify("run", "run_id"),
        Column("source", WORD, "source__kind"),
        Column("subject", TEXT, "source__subject"),
        Column("metric", TEXT, "metric"),
        Column("cause", TEXT, "cause"),
        Column("started_at", MOMENT, "started_at"),
        Column("ended_at", MOMENT, "ended_at"),
        Column("score", NUMBER, "score"),
        Column("confidence", NUMBER, "confidence"),
        Column("is_provisional", FLAG, "is_provisional"),
        Column("evidence", DOCUMENT, "evidence"),
        Column("created_at", MOMENT, "created_at"),
    ),
    filterset=FindingFilter,
    list_rows=list_findings,
    order=("started_at", "id"),
)
