"""Columns that several datasets have."""

from apps.reports.algorithms.tables import Column, ColumnKind
from apps.reports.selectors.fields import IdText

WORD, TEXT, MOMENT = ColumnKind.WORD, ColumnKind.TEXT, ColumnKind.MOMENT
NUMBER, WHOLE, FLAG = ColumnKind.NUMBER, ColumnKind.WHOLE, ColumnKind.FLAG
DOCUMENT = ColumnKind.DOCUMENT


def identify(name: str, path: str) -> Column:
    """A column of UUIDs."""
    return Column(name, WORD, IdText(path))


def name_assignment(path: str) -> tuple[Column, ...]:
    """What was measured between whom; `path` leads to the assignment (`run__assignment__`)."""
    return (
        identify("test", f"{path}test_id"),
        Column("test_name", TEXT, f"{path}test__name"),
        Column("kind", WORD, f"{path}test__kind"),
        Column("target", TEXT, f"{path}test__target__address"),
        identify("client", f"{path}client_id"),
        Column("client_name", TEXT, f"{path}client__name"),
        Column("site", WORD, f"{path}client__site__slug"),
        identify("peer", f"{path}peer_id"),
        Column("peer_name", TEXT, f"{path}peer__name"),
    )
