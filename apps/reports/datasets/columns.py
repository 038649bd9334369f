"""Columns that several datasets have."""

from apps.reports.algorithms.tables import Column, ColumnKind
from apps.reports.selectors.fields import IdText

WORD, TEXT, MOMENT = ColumnKind.WORD, ColumnKind.TEXT, ColumnKind.MOMENT
NUMBER, WHOLE, FLAG = ColumnKind.NUMBER, ColumnKind.WHOLE, ColumnKind.FLAG
DOCUMENT = ColumnKind.DOCUMENT


def identify(name: str, path: str, *, through: str = "") -> Column:
    """A column of UUIDs."""
    return Column(name, WORD, IdText(path), through)


def name_assignment(path: str) -> tuple[Column, ...]:
    """What was measured between whom; `path` leads to the assignment (`run__assignment`)."""
    return (
        identify("test", "test_id", through=path),
        Column("test_name", TEXT, "test__name", path),
        Column("kind", WORD, "test__kind", path),
        Column("target", TEXT, "test__target__address", path),
        identify("client", "client_id", through=path),
        Column("client_name", TEXT, "client__name", path),
        Column("site", WORD, "client__site__slug", path),
        identify("peer", "peer_id", through=path),
        Column("peer_name", TEXT, "peer__name", path),
    )
