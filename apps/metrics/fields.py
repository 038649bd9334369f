"""Arrays of numbers in one column, on both databases."""

import math
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

Numbers = Sequence[float | None]
BYTES_PER_NUMBER = 8


def pack_numbers(values: Numbers) -> bytes:
    """Little-endian doubles; NaN stands for a missing value, which measured values never are."""
    plain = (math.nan if value is None else value for value in values)
    return struct.pack(f"<{len(values)}d", *plain)


def unpack_numbers(packed: bytes) -> list[float | None]:
    numbers = struct.unpack(f"<{len(packed) // BYTES_PER_NUMBER}d", packed)
    return [None if math.isnan(number) else number for number in numbers]


class FloatArray(models.Field):  # type: ignore[type-arg]  # not subscriptable at run time
    """`double precision[]` on PostgreSQL, packed bytes on SQLite; None where not measured."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "double precision[]" if connection.vendor == "postgresql" else "BLOB"

    def get_db_prep_value(
        self,
        value: Any,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,  # noqa: FBT001, FBT002 - Django's signature
    ) -> Any:
        if value is None or isinstance(value, bytes):
            return value
        # psycopg2 takes a tuple for a record.
        return list(value) if connection.vendor == "postgresql" else pack_numbers(value)

    def from_db_value(
        self, value: Any, _expression: Any, _connection: BaseDatabaseWrapper
    ) -> list[float | None] | None:
        if isinstance(value, bytes | memoryview):
            return unpack_numbers(bytes(value))
        return value  # type: ignore[no-any-return]  # psycopg2 gives the list itself


class ElementAt(models.Func):
    """One number of a FloatArray column, cut out by the database."""

    output_field = models.FloatField()

    def __init__(self, column: str, index: int) -> None:
        super().__init__(models.F(column))
        self.index = index

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"({column})[{self.index + 1}]", parameters

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        start = self.index * BYTES_PER_NUMBER + 1
        return f"substr({column}, {start}, {BYTES_PER_NUMBER})", parameters

    def convert_value(self, value: Any, _expression: Any, _connection: Any) -> float | None:
        if isinstance(value, bytes):
            return unpack_numbers(value)[0] if value else None
        return value  # type: ignore[no-any-return]  # PostgreSQL gives the number itself


class UnixSeconds(models.Func):
    """A moment as Unix seconds, without making a datetime of it where the database can do that."""

    output_field = models.FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"extract(epoch FROM {column})::float8", parameters

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        # Of a bare column, the driver would make a datetime.
        return f"({column} || '')", parameters

    def convert_value(self, value: Any, _expression: Any, _connection: Any) -> float | None:
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
        return value  # type: ignore[no-any-return]  # PostgreSQL gives the number itself


class BucketStart(models.Func):
    """Unix seconds of the begin of the bucket that holds a moment of 1970 or later.

    Buckets start at whole multiples of `step_seconds`, as `bucket_series` cuts them.
    """

    output_field = models.FloatField()

    def __init__(self, column: str, step_seconds: int) -> None:
        super().__init__(models.F(column))
        self.step_seconds = step_seconds

    def as_postgresql(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        step = self.step_seconds
        return f"(floor(extract(epoch FROM {column}) / {step}) * {step})::float8", parameters

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> tuple[str, Any]:
        column, parameters = compiler.compile(self.source_expressions[0])
        step = self.step_seconds
        return f"(CAST(strftime('%%s', {column}) AS INTEGER) / {step} * {step})", parameters
