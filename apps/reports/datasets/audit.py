from django.utils.translation import gettext_lazy as _

from apps.accounts.api.audit import AuditFilter
from apps.accounts.policy import Permission
from apps.accounts.selectors import list_audit
from apps.reports.algorithms.tables import Column
from apps.reports.datasets.base import RowDataset
from apps.reports.datasets.columns import DOCUMENT, MOMENT, TEXT, WHOLE, WORD

AUDIT = RowDataset(
    name="audit",
    title=_("Audit"),
    columns=(
        Column("id", WHOLE, "id"),
        Column("at", MOMENT, "at"),
        Column("actor", WHOLE, "actor_id"),
        Column("actor_label", TEXT, "actor_label"),
        Column("via", WORD, "via"),
        Column("address", TEXT, "address"),
        Column("action", TEXT, "action"),
        Column("object_type", TEXT, "object_type"),
        Column("object_id", TEXT, "object_id"),
        Column("object_label", TEXT, "object_label"),
        Column("before", DOCUMENT, "before"),
        Column("after", DOCUMENT, "after"),
        Column("previous_digest", WORD, "previous_digest"),
        Column("digest", WORD, "digest"),
    ),
    filterset=AuditFilter,
    list_rows=list_audit,
    order=("id",),
    permission=Permission.ADMINISTER,
)
