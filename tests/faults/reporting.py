"""Collects what tests note of faults: `--fault-table FILE` keeps the notes and prints the table.

Notes travel with the reports of tests, so that those of pytest's worker processes arrive as well;
the file grows by a line for each of them, also over several runs.
"""

from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.measuring.report import format_table
from tests.faults.journal import (
    HEADER,
    Entry,
    FaultJournal,
    build_table,
    list_remarks,
    read_notes,
    write_entry,
    write_failure,
)

ENTRY_PROPERTY, JOURNAL_PROPERTY = "fault", "fault_journal"
# As tests/plugin.py calls the database that a test runs on.
DATABASE_PROPERTY = "database"


def pytest_addoption(parser):
    group = parser.getgroup("streamswarm")
    group.addoption(
        "--fault-table", type=Path, help="append what faults cost to this file; print its table"
    )


@pytest.fixture
def fault_journal(request):
    """Where a test notes what a fault cost: `fault_journal.record(row, fault, verdict, ...)`."""
    properties = request.node.user_properties
    journal = FaultJournal(dict(properties).get(DATABASE_PROPERTY, "none"))
    properties.append((JOURNAL_PROPERTY, True))
    yield journal
    properties.extend((ENTRY_PROPERTY, asdict(entry)) for entry in journal.entries)


class FaultTable:
    """Writes the file, in the process that all reports come to."""

    def __init__(self, file):
        self.file = file

    def pytest_runtest_logreport(self, report):
        names = [name for name, _value in report.user_properties]
        if report.failed and JOURNAL_PROPERTY in names:
            write_failure(self.file, f"{report.nodeid} ({report.when})")
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == ENTRY_PROPERTY:
                    write_entry(self.file, Entry(**value))

    def pytest_terminal_summary(self, terminalreporter):
        if not self.file.exists():
            terminalreporter.write_line("no test noted what a fault cost")
            return
        notes = read_notes(self.file)
        terminalreporter.section("what each fault cost")
        for line in format_table(HEADER, build_table(notes.entries)):
            terminalreporter.write_line(line)
        for line in (*list_remarks(notes.entries), *(f"failed: {test}" for test in notes.failed)):
            terminalreporter.write_line(line)


def pytest_configure(config):
    file = config.getoption("--fault-table")
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FaultTable(file), "fault-table")
