"""The spool: every record from the moment it is measured until the server has taken it over."""

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.spool.database import is_damage, open_database
from streamswarm_agent.wire.messages import RecordsAnswer, Rejection
from streamswarm_agent.wire.records import Record, SpooledRecord
from streamswarm_agent.wire.results import StartedRun

logger = logging.getLogger(__name__)

FactName = tuple[str, str, str]  # source kind, subject, key

_ROW_OVERHEAD_BYTES = 120
_UNWRITTEN_RECORDS = 1_000
_DROP_CHUNK_RECORDS = 200
_QUARANTINE_RECORDS = 10_000
_LAST_RESULTS = 1_000
_DROP_ORDER = ("WHERE kind IN ('processes', 'connections')", "WHERE kind = 'frame'", "")
_DURABLE_KINDS = {"result", "inventory"}
_COLUMNS = "id, kind, at, layout, payload, bytes"


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    bytes: int = 200_000_000
    records: int = 1_000_000


class Spool:
    """A bounded queue on disk that survives crashes, used by one thread at a time.

    Records of this process are live until an upload fails (`demote_live`); the rest is backlog.
    When it is full the oldest documents are dropped first, then the oldest frames, results last;
    every drop is counted on disk. The last result of each assignment stays for who looks here.
    """

    def __init__(self, path: Path, limits: SpoolLimits | None = None) -> None:
        """Raises: StateUnusable when the file can be neither opened nor replaced."""
        self._limits = limits or SpoolLimits()
        self._connection = open_database(path)
        self._unwritten: list[Record] = []
        self._unwritten_ends: list[str] = []
        self._unwritten_facts: dict[FactName, str] = {}
        self._known_layouts: set[str] = set()
        self._delete_unused_layouts()
        self._delete_old_results()
        self.depth, self._bytes = self._connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM records"
        ).fetchone()
        self.dropped = self._read_counter("dropped")
        self._live_floor = self._read_highest_id()

    def close(self) -> None:
        self._connection.close()

    @property
    def boot_counter(self) -> int:
        """The number of the last start that used this file, 0 for a new one."""
        return self._read_counter("boot")

    def write_boot_counter(self, boot_counter: int) -> None:
        with self._transaction(is_durable=True):
            self._write_counter("boot", boot_counter)

    def add(self, records: Sequence[Record], facts: Mapping[FactName, str] | None = None) -> None:
        """Keep records; on disk when it returns, and past a power cut if one is a result.

        `facts` are the values that the fact records among them bring. While the disk refuses
        (full, read-only), up to 1,000 records wait in memory for the next call; beyond that the
        oldest frames are dropped and counted.
        """
        self._unwritten.extend(records)
        self._unwritten_facts.update(facts or {})
        if self._unwritten:
            self._write_or_wait()

    def begin_run(self, started: StartedRun, *, latest_start_ms: int) -> None:
        """Remember a run as running, so that the next start knows if this process dies.

        Raises: StateUnusable while the disk refuses.
        """
        with self._transaction(is_durable=False):
            self._connection.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?)",
                (started.run, latest_start_ms, json.dumps(asdict(started))),
            )

    def finish_run(self, run_id: str, result: Record) -> None:
        """Keep the result and forget the run as running, both or neither; waits like `add`."""
        self._unwritten.append(result)
        self._unwritten_ends.append(run_id)
        self._write_or_wait()

    def list_interrupted_runs(self) -> list[StartedRun]:
        """The runs that an earlier process started and never finished."""
        rows = self._connection.execute("SELECT journal FROM runs WHERE journal IS NOT NULL")
        return [run for (journal,) in rows if (run := _read_journal(journal)) is not None]

    def list_started_runs(self) -> dict[str, int]:
        """The runs that must not start again, each with its latest start in milliseconds.

        Forgets those an hour older than the newest: the host's clock may not be right yet.
        """
        self._connection.execute(
            "DELETE FROM runs WHERE journal IS NULL"
            " AND latest_start_ms < (SELECT max(latest_start_ms) FROM runs) - 3600000"
        )
        return dict(self._connection.execute("SELECT id, latest_start_ms FROM runs").fetchall())

    def read_fact(self, name: FactName) -> str | None:
        """The value last added for a fact."""
        if name in self._unwritten_facts:
            return self._unwritten_facts[name]
        query = "SELECT value FROM facts WHERE kind = ? AND subject = ? AND key = ?"
        row = self._connection.execute(query, name).fetchone()
        return None if row is None else str(row[0])

    def list_live(self, *, records: int, size_bytes: int) -> list[SpooledRecord]:
        """The oldest live records, as many as fit (at least one if there is any)."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM records WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608 - constants
            (self._live_floor, records),
        )
        return _take_fitting(rows, size_bytes)

    def list_backlog(self, *, records: int, size_bytes: int) -> list[SpooledRecord]:
        """The newest records of the backlog, as many as fit (at least one if there is any)."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM records WHERE id <= ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - constants
            (self._live_floor, records),
        )
        return _take_fitting(rows, size_bytes)

    def list_all(self) -> Iterator[SpooledRecord]:
        """Every waiting record, oldest first."""
        query = f"SELECT {_COLUMNS} FROM records ORDER BY id"  # noqa: S608 - constants
        for row in self._connection.execute(query):
            yield SpooledRecord(*row)

    def read_layouts(self, hashes: Iterable[str]) -> Mapping[str, list[str]]:
        """The keys of these layouts by hash; without those that a damaged disk made unreadable.

        The server then refuses their frames, which are moved aside.
        """
        wanted = sorted(set(hashes))
        marks = ",".join("?" * len(wanted))
        rows = self._connection.execute(
            f"SELECT hash, keys FROM layouts WHERE hash IN ({marks})",  # noqa: S608 - question marks
            wanted,
        )
        layouts: dict[str, list[str]] = {}
        for layout_hash, keys in rows:
            try:
                layouts[layout_hash] = json.loads(keys)
            except ValueError as error:
                logger.warning("layout_unreadable hash=%s reason=%s", layout_hash, error)
        return layouts

    def has_waiting_results(self) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM records WHERE kind = 'result')"
        return bool(self._connection.execute(query).fetchone()[0])

    def read_oldest_time(self) -> str | None:
        """When the record that waits longest was measured."""
        row = self._connection.execute("SELECT at FROM records ORDER BY id LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def demote_live(self) -> None:
        """Make all that waits now backlog, so that what is measured next goes first."""
        self._live_floor = self._read_highest_id()

    def settle(self, answer: RecordsAnswer) -> int:
        """Delete what the server took over, move aside what it refused; how many that were.

        Raises: StateUnusable while the disk refuses.
        """
        taken = _read_ids((*answer.stored, *answer.duplicate))
        with self._transaction(is_durable=False):
            settled = sum(self._quarantine(rejection) for rejection in answer.rejected)
            return settled + self._delete(
                "id IN (SELECT value FROM json_each(?))", json.dumps(taken)
            )

    def list_quarantine(self) -> list[tuple[str, str]]:
        """Kind and reason of each record that was moved aside, oldest first."""
        rows = self._connection.execute("SELECT kind, code, field, detail FROM quarantine")
        return [
            (kind, f"{code}: {field}: {detail}" if field else f"{code}: {detail}")
            for kind, code, field, detail in rows
        ]

    @contextmanager
    def _transaction(self, *, is_durable: bool) -> Iterator[None]:
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
        depth, size_bytes, dropped = self.depth, self._bytes, self.dropped
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self.depth, self._bytes, self.dropped = depth, size_bytes, dropped
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise StateUnusable(f"the spool cannot be written: {error}") from error
            raise

    def _write_or_wait(self) -> None:
        is_durable = any(record.kind in _DURABLE_KINDS for record in self._unwritten)
        try:
            with self._transaction(is_durable=is_durable):
                for record in self._unwritten:
                    self._insert(record)
                self._drop_surplus()
                self._connection.executemany(
                    "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)",
                    [(*name, value) for name, value in self._unwritten_facts.items()],
                )
                self._connection.executemany(
                    "UPDATE runs SET journal = NULL WHERE id = ?",
                    [(run_id,) for run_id in self._unwritten_ends],
                )
        except StateUnusable as error:
            self._known_layouts.clear()
            self._trim_unwritten()
            logger.warning("spool_write_failed waiting=%d reason=%s", len(self._unwritten), error)
        else:
            self._unwritten.clear()
            self._unwritten_ends.clear()
            self._unwritten_facts.clear()

    def _trim_unwritten(self) -> None:
        surplus = len(self._unwritten) - _UNWRITTEN_RECORDS
        if surplus > 0:
            frames = [item for item in self._unwritten if item.kind == "frame"][:surplus]
            doomed = {id(item) for item in frames or self._unwritten[:surplus]}
            self._unwritten = [item for item in self._unwritten if id(item) not in doomed]
            self.dropped += len(doomed)

    def _insert(self, record: Record) -> None:
        layout = record.layout
        if layout is not None and layout.hash not in self._known_layouts:
            self._connection.execute(
                # Each process writes it once: one that has suffered on the disk is whole again.
                "INSERT OR REPLACE INTO layouts VALUES (?, ?)",
                (layout.hash, json.dumps(layout.keys)),
            )
            self._known_layouts.add(layout.hash)
        size_bytes = len(record.payload) + _ROW_OVERHEAD_BYTES
        self._connection.execute(
            "INSERT INTO records (kind, at, layout, payload, bytes) VALUES (?, ?, ?, ?, ?)",
            (record.kind, record.at, layout and layout.hash, record.payload, size_bytes),
        )
        if record.kind == "result":
            # What a probe found in detail may be long, and is not for a glance.
            self._connection.execute(
                "INSERT OR REPLACE INTO last_results"
                " SELECT json_extract(payload, '$.assignment'), ?2,"
                " json_remove(payload, '$.document')"
                " FROM (SELECT CASE WHEN json_valid(?1) THEN ?1 ELSE '{}' END AS payload)"
                " WHERE json_extract(payload, '$.assignment') IS NOT NULL",
                (record.payload, record.at),
            )
        self.depth += 1
        self._bytes += size_bytes

    def _drop_surplus(self) -> None:
        oldest = "id IN (SELECT id FROM records {} ORDER BY id LIMIT ?)"
        while self._bytes > self._limits.bytes or self.depth > self._limits.records:
            excess = max(1, min(_DROP_CHUNK_RECORDS, self.depth // 100))
            self.dropped += next(
                filter(None, (self._delete(oldest.format(kinds), excess) for kinds in _DROP_ORDER)),
                0,
            )
        self._write_counter("dropped", self.dropped)

    def _delete(self, condition: str, argument: str | int) -> int:
        query = f"DELETE FROM records WHERE {condition} RETURNING bytes"  # noqa: S608 - constants
        sizes = [size for (size,) in self._connection.execute(query, (argument,))]
        self.depth -= len(sizes)
        self._bytes -= sum(sizes)
        return len(sizes)

    def _quarantine(self, rejection: Rejection) -> int:
        for record_id in _read_ids([rejection.id]):
            self._connection.execute(
                "INSERT OR REPLACE INTO quarantine SELECT id, kind, at, payload, ?, ?, ? "
                "FROM records WHERE id = ?",
                (rejection.code, rejection.field, rejection.detail, record_id),
            )
            self._connection.execute(
                "DELETE FROM quarantine WHERE id NOT IN "
                "(SELECT id FROM quarantine ORDER BY id DESC LIMIT ?)",
                (_QUARANTINE_RECORDS,),
            )
            return self._delete("id = ?", record_id)
        return 0

    def _delete_unused_layouts(self) -> None:
        self._connection.execute(
            "DELETE FROM layouts WHERE hash NOT IN "
            "(SELECT DISTINCT layout FROM records WHERE layout IS NOT NULL)"
        )

    def _delete_old_results(self) -> None:
        self._connection.execute(
            "DELETE FROM last_results WHERE assignment NOT IN"
            " (SELECT assignment FROM last_results ORDER BY at DESC LIMIT ?)",
            (_LAST_RESULTS,),
        )

    def _read_counter(self, name: str) -> int:
        query = "SELECT value FROM counters WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def _write_counter(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))

    def _read_highest_id(self) -> int:
        query = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'"
        return int(self._connection.execute(query).fetchone()[0])


def _take_fitting(rows: Iterable[tuple[object, ...]], size_bytes: int) -> list[SpooledRecord]:
    taken: list[SpooledRecord] = []
    for row in rows:
        record = SpooledRecord(*row)  # type: ignore[arg-type]  # sqlite3 types no columns
        size_bytes -= record.bytes
        if size_bytes < 0 and taken:
            break
        taken.append(record)
    return taken


def _read_journal(journal: str) -> StartedRun | None:
    try:
        return StartedRun(**json.loads(journal))
    except (ValueError, TypeError) as error:
        logger.warning("run_unreadable reason=%s", error)
        return None


def _read_ids(ids: Iterable[str]) -> list[int]:
    return [int(text) for text in ids if text.isdecimal()]
