import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from apps.reports.algorithms.cells import guard_text
from apps.reports.algorithms.formats.base import Format, Style
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind, keep_finite

REMEMBERED_TEXTS = 10_000
FLAGS = {None: "", True: "true", False: "false"}


class GuardedTexts(dict[str | None, str]):
    """Texts as they are written; names come again and again, so each is looked at once."""

    def __missing__(self, text: str | None) -> str:
        if len(self) > REMEMBERED_TEXTS:
            self.clear()
        guarded = "" if text is None else guard_text(text)
        self[text] = guarded
        return guarded


class CommaSeparatedWriter:
    """RFC 4180 in UTF-8: a line of names, the rows, and a last line `# complete: N rows`."""

    def __init__(self, columns: Sequence[Column], style: Style) -> None:
        self._columns = columns
        self._has_end_line = style.has_end_line
        self._texts = GuardedTexts()
        self._conversions: Mapping[str, Callable[[Sequence[Any]], Iterable[Any]]] = {
            ColumnKind.TEXT: self._guard,
            ColumnKind.NUMBER: keep_finite,
            ColumnKind.FLAG: lambda cells: [FLAGS[cell] for cell in cells],
        }

    def _guard(self, cells: Sequence[str | None]) -> Iterable[str]:
        return map(self._texts.__getitem__, cells)

    def begin(self) -> bytes:
        return write_lines([[column.name for column in self._columns]])

    def write(self, chunk: Chunk) -> bytes:
        converted = [
            self._conversions[column.kind](cells) if column.kind in self._conversions else cells
            for column, cells in zip(self._columns, chunk.columns, strict=True)
        ]
        return write_lines(zip(*converted, strict=True))

    def end(self, row_count: int) -> bytes:
        return write_lines([[f"# complete: {row_count} rows"]]) if self._has_end_line else b""

    def fail(self, row_count: int, reason: str) -> bytes:
        return write_lines([[f"# INCOMPLETE after {row_count} rows: {reason}"]])


def write_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    output = StringIO(newline="")
    csv.writer(output).writerows(rows)
    return output.getvalue().encode()


COMMA_SEPARATED = Format("csv", "CSV", "text/csv; charset=utf-8", CommaSeparatedWriter)
