"""A journal of what each fault cost, and the table of all rows of the fault matrix made from it.

A test notes what the oracle found, before it asserts anything; the numbers are thus those of
failed tests as well. tests/faults/reporting.py collects the notes of a run of pytest.
"""

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from tests.faults.oracle import Verdict

# The rows of the matrix in the order and by the numbers of issue 4.
ROWS = {
    1: "agent killed",
    2: "web server killed",
    3: "worker killed",
    4: "beat killed, doubled, frozen",
    5: "Redis killed and empty, frozen",
    6: "database killed, frozen",
    7: "network cut, reset, slow, black hole",
    8: "disk full",
    9: "clocks that jump",
    10: "the same delivered again",
    11: "a week late, in any order",
    12: "agent restarted, reinstalled, cloned",
    13: "upgrade and rollback, old agents",
    14: "ten times the load",
    15: "poison in good batches",
    16: "viewers that do not read",
    17: "damaged or read-only spool",
    18: "restore of an older backup",
    19: "bad model file",
    20: "partitions rotated under load",
}
DATABASE_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
# Where a number other than zero is no broken promise.
REMARKS = {
    17: "row 17: bits flipped in the spool's own file change what it says; no promise outlives the"
    " agent's disk"
}
NOT_RUN = "not run"
HEADER = (
    "row", "fault", "on", "runs", "measured", "lost", "doubled", "invented", "refused and said",
    "longest recovery",
)  # fmt: skip


class Run(Protocol):
    """A fault as tests/faults/random_runs.py describes it."""

    @property
    def fault(self) -> str: ...
    @property
    def row(self) -> int: ...
    @property
    def database(self) -> str: ...
    @property
    def measured(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def doubled(self) -> int: ...
    @property
    def unlisted(self) -> int: ...
    @property
    def recovery_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault, or several alike, and what became of everything measured around it.

    `lost`, `doubled` and `unlisted` are the oracle's; `told` counts what is not stored and of which
    somebody was told so. Without `recovery_seconds` nothing had to recover, for the reason given.
    """

    row: int
    fault: str
    database: str
    runs: int
    measured: int
    lost: int
    doubled: int
    unlisted: int
    told: int
    recovery_seconds: float | None
    nothing_to_recover: str = ""

    def __post_init__(self) -> None:
        if self.row not in ROWS:
            raise ValueError(f"the fault matrix has no row {self.row}")
        if (self.recovery_seconds is None) != bool(self.nothing_to_recover):
            raise ValueError("either recovery_seconds or the reason why nothing had to recover")


class FaultJournal:
    """The notes of one test; `database` is the one it runs on unless a note says otherwise."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.entries: list[Entry] = []

    def record(
        self,
        row: int,
        fault: str,
        *verdicts: Verdict,
        runs: int = 1,
        told: AbstractSet[str] = frozenset(),
        refused: int = 0,
        recovery_seconds: float | None = None,
        nothing_to_recover: str = "",
        database: str = "",
    ) -> None:
        """Notes what the oracle found around a fault that happened `runs` times.

        `told` are the lines, in a ledger's words, that a refusal or a counted drop accounts for;
        `refused` counts what was refused with a reason and is in no ledger.
        `recovery_seconds` is the longest of the runs, from the strike until all was well.
        Raises: ValueError for a row outside the matrix, and when neither or both of
        `recovery_seconds` and `nothing_to_recover` are given.
        """
        entry = Entry(
            row=row,
            fault=fault,
            database=database or self._database,
            runs=runs,
            measured=sum(verdict.measured for verdict in verdicts),
            lost=sum(len(verdict.lost - told) for verdict in verdicts),
            doubled=sum(verdict.doubled for verdict in verdicts),
            unlisted=sum(len(verdict.unlisted - told) for verdict in verdicts),
            told=refused + sum(len(verdict.lost & told) for verdict in verdicts),
            recovery_seconds=None if recovery_seconds is None else round(recovery_seconds, 2),
            nothing_to_recover=nothing_to_recover,
        )
        self.entries.append(entry)

    def record_run(self, run: Run) -> None:
        """Notes a fault that was judged already, one of tests/faults/random_runs.py."""
        self.entries.append(describe_run(run))


def describe_run(run: Run) -> Entry:
    return Entry(
        row=run.row,
        fault=run.fault,
        database=DATABASE_NAMES[run.database],
        runs=1,
        measured=run.measured,
        lost=run.lost,
        doubled=run.doubled,
        unlisted=run.unlisted,
        told=0,
        recovery_seconds=run.recovery_seconds,
    )


@dataclass(frozen=True, slots=True)
class Notes:
    """What a file of notes holds: entries, and tests of faults that failed."""

    entries: tuple[Entry, ...]
    failed: tuple[str, ...]


def write_entry(file: Path, entry: Entry) -> None:
    append_line(file, asdict(entry))


def write_failure(file: Path, test: str) -> None:
    """Notes that a test failed, so that no table hides it."""
    append_line(file, {"failed": test})


def append_line(file: Path, document: dict[str, object]) -> None:
    """One write of one line, so that several processes may share the file."""
    with file.open("ab", buffering=0) as opened:
        opened.write(f"{json.dumps(document)}\n".encode())


def read_notes(file: Path) -> Notes:
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    return Notes(
        tuple(Entry(**document) for document in documents if "failed" not in document),
        tuple(document["failed"] for document in documents if "failed" in document),
    )


def build_table(entries: Iterable[Entry]) -> list[tuple[object, ...]]:
    """One line for each row of the matrix, as `HEADER` names its columns.

    Runs and counts are summed, of recoveries the longest is shown in seconds.
    """
    by_row: dict[int, list[Entry]] = {row: [] for row in ROWS}
    for entry in entries:
        by_row[entry.row].append(entry)
    return [summarise(row, by_row[row]) for row in ROWS]


def list_remarks(entries: Iterable[Entry]) -> list[str]:
    """What has to be said of rows in which anything is lost or invented."""
    rows = {entry.row for entry in entries if entry.lost or entry.unlisted}
    return [REMARKS[row] for row in sorted(rows & REMARKS.keys())]


def summarise(row: int, entries: Sequence[Entry]) -> tuple[object, ...]:
    if not entries:
        return (row, ROWS[row], "", *[""] * 6, NOT_RUN)
    counts = [
        sum(getattr(entry, name) for entry in entries)
        for name in ("runs", "measured", "lost", "doubled", "unlisted", "told")
    ]
    databases = ", ".join(sorted({entry.database for entry in entries}))
    return (row, ROWS[row], databases, *counts, describe_recovery(entries))


def describe_recovery(entries: Iterable[Entry]) -> str:
    seconds = [entry.recovery_seconds for entry in entries if entry.recovery_seconds is not None]
    if seconds:
        return f"{max(seconds):.1f} s"
    return "; ".join(dict.fromkeys(entry.nothing_to_recover for entry in entries))
