from collections.abc import Sequence

from apps.reports.algorithms.formats.base import Format, Style
from apps.reports.algorithms.formats.json_lines import ENCODER, build_objects
from apps.reports.algorithms.tables import Chunk, Column


class JsonDocumentWriter:
    """One object: `{"rows": [...], "count": N, "is_complete": true}`; no JSON if it is cut off."""

    def __init__(self, columns: Sequence[Column], style: Style) -> None:
        self._columns = columns
        self._is_first = not style.is_continued

    def begin(self) -> bytes:
        return b'{"rows":['

    def write(self, chunk: Chunk) -> bytes:
        objects = build_objects(self._columns, chunk)
        if not objects:
            return b""
        start = b"\n" if self._is_first else b",\n"
        self._is_first = False
        return start + b",\n".join(map(ENCODER.encode, objects))

    def end(self, row_count: int) -> bytes:
        return b'\n],"count":%d,"is_complete":true}\n' % row_count

    def fail(self, row_count: int, reason: str) -> bytes:
        # Nothing that would close the list: what is left must not parse.
        return b"\n// INCOMPLETE after %d rows: %s" % (row_count, reason.encode())


JSON_DOCUMENT = Format("json", "JSON", "application/json", JsonDocumentWriter)
