from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from apps.ml.api.findings import FindingFilter
from apps.ml.models import Finding
from apps.ml.selectors.findings import list_findings
from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import DOCUMENT, FLAG, MOMENT, NUMBER, TEXT, WORD, identify


class ExportedFindingFilter(FindingFilter):
    """The filters of the list, and a time by the names that all datasets have."""

    severity = filters.MultipleChoiceFilter(
        choices=Finding.Severity.choices, label="One of these", distinct=False
    )
    after = filters.IsoDateTimeFilter(
        field_name="started_at", lookup_expr="gte", label="Not before"
    )
    before = filters.IsoDateTimeFilter(field_name="started_at", lookup_expr="lt", label="Before")


FINDINGS = RowDataset(
    name="findings",
    title=_("Findings"),
    columns=(
        identify("finding", "id"),
        Column("kind", WORD, "kind"),
        Column("severity", WORD, "severity"),
        identify("client", "id", through="client"),
        Column("client_name", TEXT, "name", "client"),
        Column("site", WORD, "site__slug", "client"),
        identify("test", "id", through="test"),
        Column("test_name", TEXT, "name", "test"),
        identify("run", "run_id"),
        Column("source", WORD, "kind", "source"),
        Column("subject", TEXT, "subject", "source"),
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
    filterset=ExportedFindingFilter,
    list_rows=list_findings,
    order=("started_at", "id"),
)
