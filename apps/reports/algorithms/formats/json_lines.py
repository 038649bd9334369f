from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from apps.reports.algorithms.formats.base import Format, Style
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind, keep_finite

ENCODER = msgspec.json.Encoder()


def take_documents(cells: Sequence[str | None]) -> list[msgspec.Raw | None]:
    """JSON text goes into the file as it is."""
    return [None if cell is None else msgspec.Raw(cell.encode()) for cell in cells]


CONVERSIONS: Mapping[str, Callable[[Sequence[Any]], Iterable[Any]]] = {
    ColumnKind.DOCUMENT: take_documents,
    ColumnKind.NUMBER: keep_finite,
}


def build_objects(columns: Sequence[Column], chunk: Chunk) -> list[dict[str, Any]]:
    """The rows by the names of the columns, as the encoder takes them."""
    names = [column.name for column in columns]
    converted = [
        CONVERSIONS[column.kind](cells) if column.kind in CONVERSIONS else cells
        for column, cells in zip(columns, chunk.columns, strict=True)
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*converted, strict=True)]


class JsonLinesWriter:
    """An object a line; the last line is `{"_end":{"rows":N,"is_complete":true}}`."""

    def __init__(self, columns: Sequence[Column], style: Style) -> None:
        self._columns = columns
        self._has_end_line = style.has_end_line

    def begin(self) -> bytes:
        return b""

    def write(self, chunk: Chunk) -> bytes:
        return ENCODER.encode_lines(build_objects(self._columns, chunk))

    def end(self, row_count: int) -> bytes:
        if not self._has_end_line:
            return b""
        return ENCODER.encode_lines([{"_end": {"rows": row_count, "is_complete": True}}])

    def fail(self, row_count: int, reason: str) -> bytes:
        end = {"rows": row_count, "is_complete": False, "reason": reason}
        return ENCODER.encode_lines([{"_end": end}])


JSON_LINES = Format("ndjson", "NDJSON", "application/x-ndjson; charset=utf-8", JsonLinesWriter)
