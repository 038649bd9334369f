"""The spool's SQLite file: its tables, and setting a damaged one aside."""

import logging
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.spool.salvage import salvage

logger = logging.getLogger(__name__)

_VERSION = 1
_TABLE_NAMES = {"counters", "layouts", "records", "quarantine", "runs", "facts"}
_FAULTS_OF_THE_SURROUNDINGS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
_TABLES = """
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE layouts (hash TEXT PRIMARY KEY, keys TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    layout TEXT,
    payload TEXT NOT NULL,
    bytes INTEGER NOT NULL
);
CREATE INDEX records_by_kind ON records (kind, id);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    payload TEXT NOT NULL,
    code TEXT NOT NULL,
    field TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    latest_start_ms INTEGER NOT NULL,
    journal TEXT
) WITHOUT ROWID;
CREATE TABLE facts (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, subject, key)
) WITHOUT ROWID;
"""

# Added later: a file without it, from an earlier version, is as sound as one with it.
_LAST_RESULTS = """
CREATE TABLE IF NOT EXISTS last_results (
    assignment TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    payload TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class SpoolTotals:
    """What a spool holds: waiting records and their bytes, and what was dropped and refused."""

    records: int
    bytes: int
    dropped: int
    refused: int


def read_totals(path: Path) -> SpoolTotals:
    """The totals of a spool that an agent may be using.

    Raises: StateUnusable when the file cannot be read.
    """
    query = (
        "SELECT (SELECT count(*) FROM records), (SELECT coalesce(sum(bytes), 0) FROM records),"
        " (SELECT coalesce(max(value), 0) FROM counters WHERE name = 'dropped'),"
        " (SELECT count(*) FROM quarantine)"
    )
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return SpoolTotals(*connection.execute(query).fetchone())
    except sqlite3.Error as error:
        raise StateUnusable(f"spool {path}: {error}") from error


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to a sound spool file; a damaged one is renamed `spool.corrupt-<time>`.

    What can be read of the damaged one stands in the new one.
    Raises: StateUnusable when the file can be neither opened nor replaced.
    """
    try:
        try:
            return _open_sound(path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            aside = _set_aside(path, error)
            connection = _open_sound(path)
            _salvage_what_can_be(aside, connection)
            return connection
    except (sqlite3.Error, OSError) as error:
        raise StateUnusable(f"spool {path}: {error}") from error


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, not the disk, its rights or another process."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF not in _FAULTS_OF_THE_SURROUNDINGS


def _open_sound(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # A flipped bit inside a text must not make its row unreadable: the server refuses it.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
        _check_soundness(connection)
        connection.execute(_LAST_RESULTS)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_soundness(connection: sqlite3.Connection) -> None:
    problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        raise sqlite3.DatabaseError(f"layout version {version}, not {_VERSION}")
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if missing := _TABLE_NAMES - names:
        raise sqlite3.DatabaseError(f"without the tables {', '.join(sorted(missing))}")


def _salvage_what_can_be(aside: Path, connection: sqlite3.Connection) -> None:
    try:
        count = salvage(aside, connection)
    except sqlite3.Error as error:
        logger.warning("spool_not_salvaged file=%s reason=%s", aside, error)
    else:
        logger.warning("spool_salvaged file=%s records=%d", aside, count)


def _set_aside(path: Path, error: Exception) -> Path:
    aside = path.with_name(f"spool.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    logger.error("spool_corrupt set_aside=%s reason=%s", aside, error)
    return aside
