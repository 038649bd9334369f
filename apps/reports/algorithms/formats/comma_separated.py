import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from apps.reports.algorithms.cells import guard_document, guard_text
from apps.reports.algorithms.formats.base import Format, Style
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind, keep_finite

REMEMBERED_TEXTS = 10_000
FLAGS = {None: "", True: "true", False: "false"}
LINE_END = "\r\n"


class GuardedTexts(dict[str | None, str]):
    """Texts as they are written; names come again and again, so each is looked at once."""

    def __missing__(self, text: str | None) -> str:
        if len(self) > REMEMBERED_TEXTS:
            self.clear()
        guarded = "" if text is None else quote(guard_text(text))
        self[text] = guarded
        return guarded


class CommaSeparatedWriter:
    """RFC 4180 in UTF-8: a line of names, the rows, and a last line `# complete: N rows`.

    The columns are made text one after the other. The csv module would look at each character of
    them, which takes several times as long.
    """

    def __init__(self, columns: Sequence[Column], style: Style) -> None:
        self._columns = columns
        self._has_end_line = style.has_end_line
        texts = GuardedTexts()
        self._conversions: Mapping[ColumnKind, Callable[[Sequence[Any]], Iterable[str]]] = {
            ColumnKind.WORD: quote_words,
            ColumnKind.TEXT: lambda cells: map(texts.__getitem__, cells),
            ColumnKind.MOMENT: quote_words,
            ColumnKind.NUMBER: lambda cells: write_numbers(keep_finite(cells)),
            ColumnKind.WHOLE: write_numbers,
            ColumnKind.FLAG: lambda cells: map(FLAGS.__getitem__, cells),
            ColumnKind.DOCUMENT: quote_documents,
        }

    def begin(self) -> bytes:
        return write_lines([[column.name for column in self._columns]])

    def write(self, chunk: Chunk) -> bytes:
        if not chunk.row_count:
            return b""
        converted = [
            self._conversions[column.kind](cells)
            for column, cells in zip(self._columns, chunk.columns, strict=True)
        ]
        lines = map(",".join, zip(*converted, strict=True))
        return f"{LINE_END.join(lines)}{LINE_END}".encode()

    def end(self, row_count: int) -> bytes:
        return write_lines([[f"# complete: {row_count} rows"]]) if self._has_end_line else b""

    def fail(self, row_count: int, reason: str) -> bytes:
        return write_lines([[f"# INCOMPLETE after {row_count} rows: {reason}"]])


def needs_quotes(text: str) -> bool:
    """Whether a cell stands in quotes. Source: RFC 4180, 2.6, and what else may end a cell."""
    has_break = "\r" in text or "\n" in text or "\t" in text
    return '"' in text or "," in text or ";" in text or has_break


def quote(text: str) -> str:
    if needs_quotes(text):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def quote_words(cells: Sequence[str | None]) -> Sequence[str]:
    """Words and empty documents need no quotes: all of a column are looked through together."""
    words = ["" if cell is None else cell for cell in cells]
    return list(map(quote, words)) if needs_quotes("".join(words)) else words


def quote_documents(cells: Sequence[str | None]) -> Sequence[str]:
    documents = ["" if cell is None else cell for cell in cells]
    if any(";" in document for document in documents):
        documents = list(map(guard_document, documents))
    return quote_words(documents)


def write_numbers(cells: Sequence[float | None]) -> list[str]:
    return ["" if cell is None else str(cell) for cell in cells]


def write_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    output = StringIO(newline="")
    csv.writer(output).writerows(rows)
    return output.getvalue().encode()


COMMA_SEPARATED = Format("csv", "CSV", "text/csv; charset=utf-8", CommaSeparatedWriter)
