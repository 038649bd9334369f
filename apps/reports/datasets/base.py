"""What a dataset is: rows that somebody may take along, by filters, in short steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Protocol

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import Promise

from apps.accounts.policy import AnyUser, Permission, require
from apps.core.errors import FieldError, Invalid
from apps.core.http import MOMENT_DETAIL, is_plausible
from apps.reports.algorithms.tables import Chunk, Column, ColumnKind, Position, read_flags
from apps.reports.selectors.keyset import count_rows, read_rows
from apps.reports.selectors.lookups import ColumnReader

Filters = Mapping[str, Sequence[str]]
Expansion = Callable[[list[Any]], list[Sequence[Any]]]


class Selection(Protocol):
    """The rows of a dataset that somebody asked for."""

    def count_units(self, most: int | None = None) -> int:
        """How many of what `Chunk.units` counts there are, counted no further than `most`."""
        ...

    def read(self, behind: Position | None = None) -> Iterator[Chunk]:
        """All rows, or those behind the position at which a chunk ended."""
        ...


class Dataset(Protocol):
    """A kind of rows; `filterset` names what they may be narrowed by.

    `permission` is what somebody must hold, everywhere if it is to administer.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str | Promise: ...
    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def filterset(self) -> type[Any]: ...
    @property
    def permission(self) -> Permission: ...

    def select(self, user: AnyUser, filters: Filters) -> Selection:
        """Raises: Invalid naming filters that are unknown or wrong, Refused."""
        ...


def require_dataset(user: AnyUser, permission: Permission) -> None:
    """Raises: NotAuthenticated, Refused."""
    require(user, permission, is_everywhere=permission == Permission.ADMINISTER)


def apply_filters(
    filterset: type[Any], rows: QuerySet[Any], user: AnyUser, filters: Filters
) -> tuple[QuerySet[Any], Mapping[str, Any]]:
    """The rows that the filters of a list of the API leave, and what the filters say.

    Raises: Invalid naming those that are unknown or wrong.
    """
    known = filterset.base_filters
    unknown = [name for name in filters if name not in known]
    if unknown:
        detail = f"is unknown here; known are {', '.join(known)}"
        raise Invalid([FieldError(name or "query", "unknown", detail) for name in unknown])
    asked = QueryDict(mutable=True)
    for name, values in filters.items():
        asked.setlist(name, list(values))
    narrowed = filterset(data=asked, queryset=rows, request=SimpleNamespace(user=user))
    if not narrowed.is_valid():
        raise Invalid(
            [
                FieldError(name, "invalid", " ".join(map(str, problems)))
                for name, problems in narrowed.errors.items()
            ]
        )
    said = narrowed.form.cleaned_data
    wrong = [name for name, value in said.items() if is_out_of_range(value)]
    if wrong:
        raise Invalid([FieldError(name, "out_of_range", MOMENT_DETAIL) for name in wrong])
    return narrowed.qs, said


def is_out_of_range(value: object) -> bool:
    return isinstance(value, datetime) and not is_plausible(value)


def mend_flags(columns: Sequence[Column], found: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """What was found, with flags as flags."""
    return [
        read_flags(cells) if column.kind == ColumnKind.FLAG else cells
        for column, cells in zip(columns, found, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Rows of one table of the database; `expand` makes columns of what was read."""

    rows: QuerySet[Any]
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    expand: Expansion | None = None

    def count_units(self, most: int | None = None) -> int:
        return count_rows(self.rows, most)

    def read(self, behind: Position | None = None) -> Iterator[Chunk]:
        reader = ColumnReader(self.rows.model, self.columns)
        for step in read_rows(self.rows, reader.cells, order=self.order, behind=behind):
            columns = mend_flags(self.columns, reader.complete(step.columns))
            expanded = self.expand(columns) if self.expand else columns
            yield Chunk(expanded, step.row_count, step.position)


@dataclass(frozen=True, slots=True)
class RowDataset:
    """A dataset whose rows are those of one table, oldest first or in another lasting order.

    `order` ends with what is unlike in all rows. With `expand` what is read (`read_columns`) is
    not what is written (`columns`).
    """

    name: str
    title: str | Promise
    columns: tuple[Column, ...]
    filterset: type[Any]
    list_rows: Callable[[AnyUser], QuerySet[Any]]
    order: tuple[str, ...]
    permission: Permission = Permission.VIEW
    stored: tuple[Column, ...] = ()
    expand: Expansion | None = None

    def select(self, user: AnyUser, filters: Filters) -> RowSelection:
        require_dataset(user, self.permission)
        rows, _said = apply_filters(self.filterset, self.list_rows(user), user, filters)
        return RowSelection(rows, self.stored or self.columns, self.order, self.expand)
