"""The judge of every fault: what the ledgers say was measured, beside what the database holds.

An agent writes each measurement to its ledger, fsync'd, before anybody hears of it. After a quiet
period the database must hold each of them once, and nothing else. The database is read without the
server's own code.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote
from uuid import UUID

import psycopg2

FRAMES_QUERY = (
    "SELECT source.client_id, source.kind, source.subject, frame.seq, frame.at"
    " FROM metrics_frame AS frame JOIN metrics_source AS source ON source.id = frame.source_id"
    " WHERE frame.at >= {mark}"
)
RESULTS_QUERY = (
    "SELECT assignment.client_id, result.run_id FROM tests_result AS result"
    " JOIN tests_run AS run ON run.id = result.run_id"
    " JOIN tests_assignment AS assignment ON assignment.id = run.assignment_id"
    " WHERE result.received_at >= {mark}"
)
DUPLICATES_QUERY = "SELECT sum(duplicate) FROM metrics_ingestbatch WHERE received_at >= {mark}"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How ledger and database compare; measurements are in a ledger's words.

    `doubled` counts rows beyond the first of a measurement, `unlisted` what no ledger knows.
    """

    measured: int
    stored: int
    lost: frozenset[str]
    doubled: int
    unlisted: frozenset[str]

    @property
    def is_exactly_once(self) -> bool:
        return self.measured > 0 and not (self.lost or self.doubled or self.unlisted)


class Connection(Protocol):
    def cursor(self) -> Any: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Database:
    """The database of a server under test, by its URL or as a SQLite file."""

    url: str
    file: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Database":
        """The one that a server started with these variables uses."""
        file = Path(environment["SWARM_VAR_DIR"]) / "streamswarm.sqlite3"
        return cls(environment.get("DATABASE_URL", ""), file)

    def connect(self) -> tuple[Connection, str]:
        """A connection and its mark for a parameter."""
        if self.url:
            return psycopg2.connect(self.url), "%s"
        return sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=20), "?"

    def select(self, query: str, since: datetime) -> list[tuple[Any, ...]]:
        connection, mark = self.connect()
        with closing(connection):
            cursor = connection.cursor()
            moment = since if self.url else f"{since:%Y-%m-%d %H:%M:%S.%f}"
            cursor.execute(query.format(mark=mark), [moment])
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def list_frames(self, since: datetime = LONG_AGO) -> Iterator[tuple[str, str]]:
        """Client and `KIND SUBJECT SEQ AT` of every stored frame measured since then."""
        for client_id, kind, subject, sequence, at in self.select(FRAMES_QUERY, since):
            place = f"{kind} {quote(subject, safe='/:') or '-'}"
            yield str(UUID(str(client_id))), f"{place} {sequence} {format_moment(at)}"

    def list_results(self, since: datetime = LONG_AGO) -> Iterator[tuple[str, str]]:
        """Client and run of every result received since then."""
        for client_id, run_id in self.select(RESULTS_QUERY, since):
            yield str(UUID(str(client_id))), str(UUID(str(run_id)))

    def count_duplicates(self) -> int:
        """How many records came in again after they had been stored, and changed nothing."""
        ((count,),) = self.select(DUPLICATES_QUERY, LONG_AGO)
        return int(count or 0)

    def list_measurements(self, client_id: str, since: datetime = LONG_AGO) -> list[str]:
        """The stored measurements of a client as the lines of its agent's ledger."""
        frames = [f"frame {line}" for owner, line in self.list_frames(since) if owner == client_id]
        results = [f"result {run}" for owner, run in self.list_results(since) if owner == client_id]
        return frames + results


def format_moment(stored: datetime | str) -> str:
    """The wire's spelling of what PostgreSQL gives as a datetime and SQLite as text in UTC."""
    if isinstance(stored, str):
        stored = datetime.fromisoformat(stored).replace(tzinfo=UTC)
    return stored.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def name_measurement(line: str) -> str:
    """What makes a ledger's line the same measurement again: a frame's sequence, a result's run.

    A frame's time is left out, so that a frame stored at two times counts as doubled. The line may
    begin with whose it is.
    """
    front, _, last = line.rpartition(" ")
    return line if front.endswith("result") and not last.endswith("Z") else front


def compare(
    ledger: Iterable[str],
    stored: Iterable[str],
    *,
    name: Callable[[str], str] = name_measurement,
) -> Verdict:
    """The verdict on the lines of a ledger and the stored measurements in the same words.

    Lines of one `name` are one measurement.
    """
    measured, rows = set(ledger), list(stored)
    counts = Counter(map(name, rows))
    return Verdict(
        measured=len(measured),
        stored=len(rows),
        lost=frozenset(measured.difference(rows)),
        doubled=sum(counts.values()) - len(counts),
        unlisted=frozenset(set(rows) - measured),
    )
