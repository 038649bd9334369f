"""Long tables read in short steps: each goes on behind the last row of the one before.

No query and no transaction stays open between two steps, so a reader may take an hour and holds
nothing up, on either database. Rows that come or go meanwhile may be in the table or not; each row
that is there all the time is in it once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import Combinable

from apps.reports.algorithms.tables import Position
from apps.reports.selectors.fields import IdText, MomentText, has_uuid
from apps.reports.selectors.mapping import read_unmapped

Row = tuple[Any, ...]

FIRST_ROWS = 500
MOST_ROWS = 5_000
# About what the cells of one step may take, so that large documents come in smaller steps.
STEP_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """Some rows, column by column, and where the last of them stands."""

    columns: list[list[Any]]
    row_count: int
    position: Position


def read_rows(
    rows: QuerySet[Any],
    cells: Sequence[Combinable],
    *,
    order: Sequence[str],
    behind: Position | None = None,
) -> Iterator[Step]:
    """The cells of all rows behind a position, some thousand rows at a time, by what `order` names.

    `order` ends with what is unlike in all rows; what it names is never NULL.
    Raises: ValueError for rows that are made distinct, which would be sorted in each step.
    """
    if rows.query.distinct:
        raise ValueError("a filter makes the rows distinct")
    model = rows.model
    read, places = add_keys(cells, [build_key(model, path) for path in order])
    named = {f"cell_{number}": cell for number, cell in enumerate(read)}
    annotated = rows.order_by(*order).annotate(**named)
    size, last, width = FIRST_ROWS, behind, len(cells)
    while True:
        part = annotated
        if last is not None:
            part = annotated.filter(match_behind(order, read_keys(model, order, last)))
        found = fetch(part.values_list(*named)[:size])
        if found:
            last = [found[-1][place] for place in places]
            yield Step(split_columns(found)[:width], len(found), last)
        if len(found) < size:
            return
        size = choose_size(found)


def split_columns(rows: Sequence[Row]) -> list[list[Any]]:
    """The columns of some rows; `zip` would have the garbage collector look at thousands of rows.

    All rows are of the same width, and there is at least one.
    """
    return [[row[place] for row in rows] for place in range(len(rows[0]))]


def add_keys(
    cells: Sequence[Combinable], keys: Sequence[Combinable]
) -> tuple[list[Combinable], list[int]]:
    """The cells and what of the keys is not among them; where each of the keys stands."""
    read = list(cells)
    places = []
    for key in keys:
        if key not in read:
            read.append(key)
        places.append(read.index(key))
    return read, places


def build_key(model: type[Model], path: str) -> Combinable:
    field = model._meta.get_field(path)  # noqa: SLF001 - documented API
    if isinstance(field, models.DateTimeField):
        return MomentText(F(path))
    return IdText(path) if has_uuid(field) else F(path)


def read_keys(model: type[Model], order: Sequence[str], texts: Position) -> list[Any]:
    """The keys of a row as a filter takes them."""
    values: list[Any] = []
    for path, text in zip(order, texts, strict=True):
        field = model._meta.get_field(path)  # noqa: SLF001 - documented API
        if isinstance(field, models.DateTimeField):
            values.append(datetime.fromisoformat(str(text)))
        else:
            values.append(UUID(str(text)) if has_uuid(field) else text)
    return values


def match_behind(order: Sequence[str], last: Sequence[Any]) -> Q:
    """The rows behind that one; the first condition is one that an index can be searched by."""
    head: Mapping[str, Any] = {f"{order[0]}__gte": last[0]}
    behind, equal = Q(), Q()
    for path, value in zip(order, last, strict=True):
        behind |= equal & Q(**{f"{path}__gt": value})
        equal &= Q(**{path: value})
    return Q(**head) & behind


def fetch(rows: "QuerySet[Any, Any]") -> list[Row]:
    """What the database gives, as it is: the ORM would look at each cell once more."""
    try:
        statement, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        # The ORM asks the database nothing either where nothing can match.
        return []
    with read_unmapped(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[Row] = cursor.fetchall()
        return found


def count_rows(rows: QuerySet[Any], most: int | None) -> int:
    """How many there are, counted no further than `most`."""
    plain = rows.order_by()
    with read_unmapped():
        return plain.count() if most is None else plain[:most].count()


def choose_size(found: Sequence[Row]) -> int:
    """How many rows to read next, by how large those were."""
    sample = found[:: max(1, len(found) // 50)]
    cell_bytes = sum(len(cell) for row in sample for cell in row if isinstance(cell, str))
    by_bytes = STEP_BYTES * len(sample) // max(cell_bytes, 1)
    return max(20, min(MOST_ROWS, by_bytes))
