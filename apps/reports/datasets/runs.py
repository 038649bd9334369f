from django.utils.translation import gettext_lazy as _

from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import FLAG, MOMENT, TEXT, WHOLE, WORD, identify, name_assignment
from apps.tests.api.filters import RunFilter
from apps.tests.selectors import list_runs

RUNS = RowDataset(
    name="runs",
    title=_("Runs"),
    columns=(
        identify("run", "id"),
        *name_assignment("assignment"),
        identify("assignment", "id", through="assignment"),
        Column("slot", WHOLE, "slot"),
        Column("schedule_revision", WHOLE, "schedule_revision"),
        Column("start_at", MOMENT, "start_at"),
        Column("end_at", MOMENT, "end_at"),
        Column("state", WORD, "state"),
        Column("reason", TEXT, "reason"),
        Column("is_on_demand", FLAG, "is_on_demand"),
        Column("is_overlapped", FLAG, "is_overlapped"),
        Column("requested_by", TEXT, "username", "requested_by"),
        Column("leased_at", MOMENT, "leased_at"),
        Column("started_at", MOMENT, "started_at"),
        Column("finished_at", MOMENT, "finished_at"),
    ),
    filterset=RunFilter,
    list_rows=list_runs,
    order=("start_at", "id"),
)
