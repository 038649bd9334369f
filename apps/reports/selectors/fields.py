"""Cells as an export writes them, cut out by the database.

To make objects of them first would cost more than everything else together.
"""

from typing import Any

from django.db import models
from django.db.models import F, Func
from django.db.models.expressions import Combinable

from apps.reports.algorithms.tables import Column, ColumnKind


class MomentText(Func):
    """A moment as RFC 3339 in UTC with microseconds and a Z."""

    output_field = models.TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        form = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
        return f"to_char({column} AT TIME ZONE 'UTC', {form})", parameters

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        # Stored as `2026-01-31 12:00:00`, with microseconds unless they are all zero.
        whole = f"substr({column} || '.000000', 1, 26)"
        return f"replace({whole}, ' ', 'T') || 'Z'", parameters


class IdText(Func):
    """A UUID as text."""

    output_field = models.TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"({column})::text", parameters

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        spans = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        parts = (f"substr({column}, {start}, {length})" for start, length in spans)
        return " || '-' || ".join(parts), parameters * len(spans)


class IdKey(IdText):
    """A UUID as the text that costs the database least."""

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        statement, parameters = compiler.compile(self.source_expressions[0])
        return statement, parameters


def has_uuid(field: Any) -> bool:
    """Whether the field, or what it points to, is a UUID."""
    return isinstance(getattr(field, "target_field", field), models.UUIDField)


def build_expression(column: Column) -> Combinable:
    """What gives the cells of the column as `read_rows` returns them."""
    if not isinstance(column.path, str):
        expression: Combinable = column.path
        return expression
    if column.kind == ColumnKind.MOMENT:
        return MomentText(F(column.path))
    return F(column.path)
