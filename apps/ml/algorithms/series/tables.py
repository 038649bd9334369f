"""Reading a series from a table that somebody else wrote."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.core.errors import FieldError, Invalid

TIME_NAMES = ("timestamp", "time", "datetime", "date", "at")
VALUE_NAMES = ("value", "values")
DELIMITERS = ",;\t|"
MISSING = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})
# A year 5138 in seconds, or 1973 in milliseconds; and so on for micro- and nanoseconds.
GREATEST_SECONDS = 1e11
FINER_UNIT = 1000
SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class TableRow:
    """One value: as it stood there, its Unix seconds, and the number, NaN if there was none."""

    time_text: str
    value_text: str
    at: float
    value: float


def read_table(lines: Iterable[str]) -> list[TableRow]:
    """The rows of a CSV file with a header, in their order there.

    The delimiter is whichever of comma, semicolon, tab and bar the header holds. Columns are found
    by name in any case, others are passed over. Times are ISO 8601 (UTC without a zone) or Unix
    time in seconds, milli-, micro- or nanoseconds. Values may be missing.
    Raises: Invalid naming the row and the column.
    """
    source = iter(lines)
    header = next((line for line in source if line.strip("\ufeff \t\r\n")), "").lstrip("\ufeff")
    delimiter = max(DELIMITERS, key=header.count)
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    time_place = find_column(names, TIME_NAMES)
    value_place = find_column(names, VALUE_NAMES)
    rows = []
    for number, cells in read_cells(source, delimiter):
        if any(cell.strip() for cell in cells):
            time_text = take_cell(cells, time_place, number, TIME_NAMES[0])
            value_text = take_cell(cells, value_place, number, VALUE_NAMES[0])
            at, value = read_time(time_text, number), read_value(value_text, number)
            rows.append(TableRow(time_text, value_text, at, value))
    return rows


def read_cells(source: Iterator[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row; the first after the header is row 1."""
    reader = csv.reader(source, delimiter=delimiter)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise refuse(number, "row", str(error)) from None
        except UnicodeDecodeError:
            raise refuse(number, "row", "is not UTF-8 text") from None
        if cells is None:
            return
        yield number, cells


def find_column(names: Sequence[str], wanted: Sequence[str]) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    found = ", ".join(name[:SHOWN_CHARACTERS] for name in names[:8]) or "nothing"
    detail = f"the header has no such column, but {found}"
    raise Invalid([FieldError(wanted[0], "required", detail)])


def take_cell(cells: Sequence[str], place: int, number: int, name: str) -> str:
    if place >= len(cells):
        raise refuse(number, name, "is missing: the row is too short")
    return cells[place].strip()


def read_time(text: str, number: int) -> float:
    try:
        moment = float(text)
    except ValueError:
        return read_iso_time(text, number)
    if not math.isfinite(moment):
        raise refuse(number, TIME_NAMES[0], f"{text[:SHOWN_CHARACTERS]!r} is no time")
    while abs(moment) > GREATEST_SECONDS:
        moment /= FINER_UNIT
    return moment


def read_iso_time(text: str, number: int) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        detail = f"{text[:SHOWN_CHARACTERS]!r} is neither ISO 8601 nor Unix time"
        raise refuse(number, TIME_NAMES[0], detail) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_value(text: str, number: int) -> float:
    if text.lower() in MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError:
        detail = f"{text[:SHOWN_CHARACTERS]!r} is no number"
        raise refuse(number, VALUE_NAMES[0], detail) from None


def refuse(number: int, name: str, detail: str) -> Invalid:
    return Invalid([FieldError(f"row {number}, {name}", "malformed", detail)])
