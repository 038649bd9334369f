"""Apache Parquet, by the optional package pyarrow."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from apps.reports.algorithms.formats.base import Format, Style
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind, keep_finite

ROWS_PER_GROUP = 50_000
# Of the kinds that are not text.
TYPE_NAMES = {
    ColumnKind.NUMBER: "float64",
    ColumnKind.WHOLE: "int64",
    ColumnKind.FLAG: "bool_",
}


class Drain:
    """A file that only grows: what was written since it was last emptied."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0
        self.closed = False

    def write(self, content: bytes) -> int:
        # A copy: what it is given belongs to the library.
        self._pieces.append(bytes(content))
        self._position += len(content)
        return len(content)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        self.closed = True

    def empty(self) -> bytes:
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


class ParquetWriter:
    """A row group for every 50,000 rows.

    The table of contents comes last, so a file that is cut off cannot be opened.
    """

    def __init__(self, columns: Sequence[Column], _style: Style) -> None:
        self._arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
        self._columns = columns
        self._moment = self._arrow.timestamp("us", tz="UTC")
        self._schema = self._arrow.schema(
            [(column.name, self._find_type(column.kind)) for column in columns]
        )
        self._drain = Drain()
        self._writer = parquet.ParquetWriter(
            self._arrow.PythonFile(self._drain, mode="w"), self._schema, compression="zstd"
        )
        self._waiting: list[Any] = []

    def _find_type(self, kind: ColumnKind) -> Any:
        if kind == ColumnKind.MOMENT:
            return self._moment
        return getattr(self._arrow, TYPE_NAMES.get(kind, "string"))()

    def _build_array(self, column: Column, cells: Sequence[Any]) -> Any:
        if column.kind == ColumnKind.MOMENT:
            return self._arrow.array(cells, self._arrow.string()).cast(self._moment)
        finite = keep_finite(cells) if column.kind == ColumnKind.NUMBER else cells
        return self._arrow.array(finite, self._find_type(column.kind))

    def begin(self) -> bytes:
        return self._drain.empty()

    def write(self, chunk: Chunk) -> bytes:
        arrays = [
            self._build_array(column, cells)
            for column, cells in zip(self._columns, chunk.columns, strict=True)
        ]
        self._waiting.append(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        if sum(table.num_rows for table in self._waiting) >= ROWS_PER_GROUP:
            self._write_group()
        return self._drain.empty()

    def _write_group(self) -> None:
        group = self._arrow.concat_tables(self._waiting)
        self._waiting.clear()
        self._writer.write_table(group, row_group_size=group.num_rows)

    def end(self, _row_count: int) -> bytes:
        if self._waiting:
            self._write_group()
        self._writer.close()
        return self._drain.empty()

    def fail(self, _row_count: int, _reason: str) -> bytes:
        return b""


PARQUET = Format(
    "parquet",
    "Parquet",
    "application/vnd.apache.parquet",
    ParquetWriter,
    may_gzip=False,
    is_resumable=False,
    requires="pyarrow",
)
