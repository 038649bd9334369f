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
NOT_YET = {19: "no models yet"}
NOT_RUN = "not run"
HEADER = (
    "row", "fault", "on", "runs", "measured", "lost", "doubled", "invented", "told refused",
    "longest recovery",
)  # fmt: skip


class Run(Protocol):
    """A fault as tests/faults/random_runs.py describes it."""

    fault: str
    row: int
    database: str
    measured: int
    lost: int
    doubled: int
    unlisted: int
    recovery_seconds: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault, or several alike, and what became of everything measured around it.

    `lost`, `doubled` and `unlisted` are the oracle's; `told` counts what was measured and is not
    stored, and of which somebody was told so. Without `recovery_seconds` nothing had to recover,
    for the reason given.
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
        recovery_seconds: float | None = None,
        nothing_to_recover: str = "",
        database: str = "",
    ) -> None:
        """Notes what the oracle found around a fault that happened `runs` times.

        `told` are the lines, in a ledger's words, that a refusal or a counted drop accounts for.
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
            told=sum(len(verdict.lost & told) for verdict in verdicts),
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
        database=run.database,
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


def summarise(row: int, entries: Sequence[Entry]) -> tuple[object, ...]:
    if not entries:
        return (row, ROWS[row], "", *[""] * 6, NOT_YET.get(row, NOT_RUN))
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
