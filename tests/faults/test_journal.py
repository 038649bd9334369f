"""The journal of faults: what it counts is the oracle's, and its table hides nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.journal import (
    HEADER,
    ROWS,
    FaultJournal,
    build_table,
    read_notes,
    write_entry,
    write_failure,
)
from tests.faults.oracle import compare

ROOT = Path(__file__).parents[2]
AT = "2026-01-31T12:00:00.000000Z"
LEDGER = [f"frame cpu - {number} {AT}" for number in range(4)]
NOTHING = "a fault of nothing"


@pytest.fixture
def journal():
    return FaultJournal("SQLite")


def read_row(entries, row):
    (cells,) = [dict(zip(HEADER, line, strict=True)) for line in build_table(entries)][row - 1 :][
        :1
    ]
    return cells


def test_counts_of_a_row_are_summed_and_its_longest_recovery_is_kept(journal):
    journal.record(6, "killed", compare(LEDGER, LEDGER), runs=3, recovery_seconds=4.2)
    lossy = compare(LEDGER, [*LEDGER[1:], LEDGER[1], f"frame cpu - 9 {AT}"])
    journal.record(6, "frozen", lossy, recovery_seconds=1.0, database="PostgreSQL")
    assert read_row(journal.entries, 6) == {
        "row": 6,
        "fault": ROWS[6],
        "on": "PostgreSQL, SQLite",
        "runs": 4,
        "measured": 8,
        "lost": 1,
        "doubled": 1,
        "invented": 1,
        "refused and said": 0,
        "longest recovery": "4.2 s",
    }


def test_what_was_refused_and_said_so_is_not_lost_but_counted(journal):
    verdict = compare(LEDGER, LEDGER[2:])
    journal.record(9, "a jump", verdict, told={LEDGER[0]}, recovery_seconds=1)
    row = read_row(journal.entries, 9)
    assert (row["lost"], row["refused and said"]) == (1, 1)


def test_where_nothing_has_to_recover_the_table_says_why(journal):
    verdict = compare(LEDGER, LEDGER)
    for _ in range(2):
        journal.record(10, "twice", verdict, nothing_to_recover="nothing breaks")
    assert read_row(journal.entries, 10)["longest recovery"] == "nothing breaks"


def test_the_table_has_every_row_and_says_which_were_not_run():
    table = build_table(())
    assert [line[0] for line in table] == list(range(1, 21))
    assert {line[-1] for line in table} == {"not run"}


@pytest.mark.parametrize(
    ("row", "recovery"),
    [
        (0, {"recovery_seconds": 1}),
        (21, {"recovery_seconds": 1}),
        (1, {}),
        (1, {"recovery_seconds": 0, "nothing_to_recover": "both"}),
    ],
)
def test_a_note_without_its_row_or_recovery_is_an_error(journal, row, recovery):
    with pytest.raises(ValueError, match=r"row|either"):
        journal.record(row, NOTHING, compare(LEDGER, LEDGER), **recovery)


def test_notes_of_several_runs_are_read_together(journal, tmp_path):
    file = tmp_path / "notes"
    journal.record(2, "killed", compare(LEDGER, LEDGER), recovery_seconds=1)
    for _ in range(2):
        write_entry(file, journal.entries[0])
    write_failure(file, "a test")
    notes = read_notes(file)
    assert notes.entries == (journal.entries[0],) * 2
    assert notes.failed == ("a test",)


NOTING_TESTS = """
from tests.faults.oracle import compare

def test_passes(fault_journal):
    fault_journal.record(3, "killed", compare(["a 1"], ["a 1"]), recovery_seconds=2)

def test_fails(fault_journal):
    fault_journal.record(3, "killed", compare(["a 1"], []), recovery_seconds=5)
    raise AssertionError
"""


SETTINGS = """
[pytest]
addopts = -p tests.faults.reporting -p no:django -p no:cacheprovider
"""


def test_a_run_of_pytest_prints_what_its_workers_noted_failed_ones_included(tmp_path):
    (tmp_path / "test_noting.py").write_text(NOTING_TESTS)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    file = tmp_path / "notes"
    options = ("-q", f"--fault-table={file}", "-n", "2", "--rootdir", tmp_path)
    argv = [sys.executable, "-m", "pytest", *options, "-c", tmp_path / "pytest.ini", tmp_path]
    run = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("3 ")]
    assert line.split()[-8:] == ["2", "2", "1", "0", "0", "0", "5.0", "s"]
    assert "test_noting.py::test_fails (call)" in run.stdout
    assert len(file.read_text().splitlines()) == 3
