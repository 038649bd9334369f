"""What is still readable in a damaged spool goes into the new one."""

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path

logger = logging.getLogger(__name__)

_RECORD_COLUMNS = "id, kind, at, layout, payload, bytes"
_KEY_OF_TABLE = {"layouts": "hash", "runs": "id", "counters": "name"}


def salvage(damaged: Path, connection: sqlite3.Connection) -> int:
    """Copy records, their layouts, runs and counters; how many records that were.

    Records keep their order. A table that cannot be read any more is left out; where only a part
    can, that part counts. The damaged file stays as it is.
    """
    with closing(_open_damaged(damaged)) as source:
        records = [
            row for row in _read_rows(source, "records", _RECORD_COLUMNS, "id") if _is_sound(row)
        ]
        others = {
            table: _read_rows(source, table, "*", key) for table, key in _KEY_OF_TABLE.items()
        }
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, ?)", records)
        for table, rows in others.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                insert = f"INSERT OR IGNORE INTO {table} VALUES ({marks})"  # noqa: S608 - our tables
                connection.execute(insert, row)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(records)


def _open_damaged(damaged: Path) -> sqlite3.Connection:
    has_log = damaged.with_name(f"{damaged.name}-wal").exists()
    mode = "ro" if has_log else "ro&immutable=1"
    source = sqlite3.connect(f"{damaged.as_uri()}?mode={mode}", uri=True, timeout=1)
    source.text_factory = lambda raw: raw.decode("utf-8", "replace")
    # Otherwise a file shorter than its header says is not read at all.
    source.execute("PRAGMA writable_schema = ON")
    return source


def _read_rows(
    source: sqlite3.Connection, table: str, columns: str, key: str
) -> list[tuple[object, ...]]:
    """The rows that can be reached from either end of the table."""
    rows: dict[object, tuple[object, ...]] = {}
    for direction in ("ASC", "DESC"):
        query = f"SELECT {key}, {columns} FROM {table} ORDER BY {key} {direction}"  # noqa: S608 - our tables
        try:
            for found, *row in source.execute(query):
                rows.setdefault(found, tuple(row))
        except sqlite3.Error as error:
            logger.warning("spool_unreadable table=%s from=%s reason=%s", table, direction, error)
        else:
            break
    return list(rows.values())


def _is_sound(row: tuple[object, ...]) -> bool:
    _id, kind, at, layout, payload, size_bytes = row
    if not (isinstance(kind, str) and isinstance(at, str) and isinstance(payload, str)):
        return False
    if not (isinstance(layout, str | None) and isinstance(size_bytes, int)):
        return False
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return False
