"""Cells of the rows that others point to.

Thousands of runs are of one assignment: its names are read once and not joined to each of them.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Model
from django.db.models.expressions import Combinable

from apps.reports.algorithms.tables import Column
from apps.reports.selectors.fields import IdKey, build_expression, has_uuid
from apps.reports.selectors.keyset import Row, fetch, split_columns

REMEMBERED_ROWS = 10_000


class Lookup:
    """The cells of some columns of a model by the key of their row."""

    def __init__(self, model: type[Model], columns: Sequence[Column]) -> None:
        cells = {f"cell_{number}": build_expression(one) for number, one in enumerate(columns)}
        key = build_row_key("pk", model._meta.pk)  # noqa: SLF001 - documented API
        rows = model._base_manager.order_by().annotate(key=key, **cells)  # noqa: SLF001 - as above
        self._rows = rows.values_list("key", *cells)
        self._known: dict[Any, Row] = {None: (None,) * len(columns)}

    def find(self, keys: Sequence[Any]) -> list[list[Any]]:
        """The columns beside those keys; empty where the row is gone by now."""
        missing = set(keys) - self._known.keys()
        if missing:
            self._remember(keys, missing)
        return split_columns([self._known[key] for key in keys])

    def _remember(self, keys: Sequence[Any], missing: set[Any]) -> None:
        empty = self._known[None]
        if len(self._known) > REMEMBERED_ROWS:
            self._known = {None: empty}
            missing = set(keys) - {None}
        self._known.update(dict.fromkeys(missing, empty))
        self._known.update((row[0], row[1:]) for row in fetch(self._rows.filter(pk__in=missing)))


def build_row_key(path: str, field: Any) -> Combinable:
    return IdKey(path) if has_uuid(field) else F(path)


class ColumnReader:
    """What to read for some columns of a model, and these columns out of what was read."""

    def __init__(self, model: type[Model], columns: Sequence[Column]) -> None:
        self._columns = columns
        through = {column.through for column in columns if column.through}
        own = [column for column in columns if not column.through]
        self._places = {column.name: place for place, column in enumerate(own)}
        self.cells = [build_expression(column) for column in own]
        self._lookups: list[tuple[int, list[str], Lookup]] = []
        for path in sorted(through):
            field = find_field(model, path)
            looked_up = [column for column in columns if column.through == path]
            lookup = Lookup(field.related_model, looked_up)
            names = [column.name for column in looked_up]
            self._lookups.append((len(self.cells), names, lookup))
            self.cells.append(build_row_key(f"{path}_id", field))

    def complete(self, found: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The columns in their order."""
        by_name: dict[str, Sequence[Any]] = {
            name: found[place] for name, place in self._places.items()
        }
        for place, names, lookup in self._lookups:
            by_name.update(zip(names, lookup.find(found[place]), strict=True))
        return [by_name[column.name] for column in self._columns]


def find_field(model: type[Model], path: str) -> Any:
    """The foreign key at the end of a path of foreign keys."""
    *before, last = path.split("__")
    owner: Any = model
    for name in before:
        owner = owner._meta.get_field(name).related_model  # noqa: SLF001 - documented API
    return owner._meta.get_field(last)  # noqa: SLF001 - documented API
