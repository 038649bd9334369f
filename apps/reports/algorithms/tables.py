"""Tables that are too long to be held: columns, and pieces of rows one after another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ColumnKind(StrEnum):
    """What the cells of a column are.

    A word is of our own making (an id, a state); a text may be anybody's. A moment is text in
    RFC 3339, a document the text of a JSON value. Any cell may be None.
    """

    WORD = "word"
    TEXT = "text"
    MOMENT = "moment"
    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `path` leads to it in the database where it stands there as it is.

    With `through`, a path to a foreign key, `path` begins at the row that the key points to: many
    rows point to the same few, which are looked up once.
    """

    name: str
    kind: ColumnKind
    path: Any = ""
    through: str = ""


# Where in a table a piece ends, as JSON keeps it: whoever reads on goes on behind that.
Position = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows, column by column, up to `position`.

    `units` of what the table counts were read for them.
    """

    columns: Sequence[Sequence[Any]]
    units: int
    position: Position

    @property
    def row_count(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def keep_finite(numbers: Sequence[float | None]) -> list[float | None]:
    """The numbers, None for what is none."""
    return [x if x is not None and math.isfinite(x) else None for x in numbers]


def read_flags(cells: Sequence[Any]) -> list[bool | None]:
    """The flags of a database that may keep them as numbers."""
    return [None if cell is None else bool(cell) for cell in cells]
