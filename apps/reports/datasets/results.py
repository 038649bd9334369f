from django.utils.translation import gettext_lazy as _

from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import (
    DOCUMENT,
    FLAG,
    MOMENT,
    TEXT,
    WORD,
    identify,
    name_assignment,
)
from apps.tests.api.filters import ResultFilter
from apps.tests.selectors import list_results

RESULT_COLUMNS = (
    identify("run", "run_id"),
    *name_assignment("run__assignment"),
    identify("assignment", "id", through="run__assignment"),
    Column("started_at", MOMENT, "started_at"),
    Column("finished_at", MOMENT, "finished_at"),
    Column("received_at", MOMENT, "received_at"),
    Column("outcome", WORD, "outcome"),
    Column("is_success", FLAG, "is_success"),
    Column("reason", TEXT, "reason"),
    Column("method", TEXT, "method"),
)

RESULTS = RowDataset(
    name="results",
    title=_("Results, one a row"),
    columns=(
        *RESULT_COLUMNS,
        Column("values", DOCUMENT, "values"),
        Column("absent", DOCUMENT, "absent"),
        Column("facts", DOCUMENT, "facts"),
        Column("document", DOCUMENT, "document"),
    ),
    filterset=ResultFilter,
    list_rows=list_results,
    order=("received_at", "run_id"),
)
