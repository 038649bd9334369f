"""The laboratory's fixtures, which experiments run, and the table of truth beside measurement.

Naming this folder (`make lab`, `pytest tests/lab`) runs all experiments; in a run of all tests
those marked `slow` are skipped.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamswarm_agent.laboratory.measuring import Agent
from streamswarm_agent.laboratory.namespaces import explain_missing
from streamswarm_agent.laboratory.path import open_path
from streamswarm_agent.laboratory.topology import open_chain, open_equal_paths

FOLDER = Path(__file__).resolve().parent
PROPERTY = "laboratory"
TITLES = ("experiment", "truth", "measured", "unit", "verdict")


def is_asked_for(config):
    named = [config.invocation_params.dir / name.split("::")[0] for name in config.args]
    return any(path.resolve().is_relative_to(FOLDER) for path in named)


def pytest_collection_modifyitems(config, items):
    if is_asked_for(config):
        return
    skip = pytest.mark.skip(reason="a long experiment; `make lab` runs it")
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def laboratory_is_possible():
    reason = explain_missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def open_bridge(laboratory_is_possible):
    with open_path() as path:
        yield path


@pytest.fixture
def bridge(open_bridge):
    """A `FaultyPath` without faults and with an empty ledger."""
    open_bridge.reset()
    return open_bridge


@pytest.fixture
def network(laboratory_is_possible):
    """Opens a `Topology` that closes with the test: `chain` as open_chain, or `equal_paths`."""
    with ExitStack() as cleanup:
        yield Network(cleanup)


@dataclass(frozen=True, slots=True)
class Network:
    cleanup: ExitStack

    def chain(self, *arguments, **options):
        return self.cleanup.enter_context(open_chain(*arguments, **options))

    def equal_paths(self, width):
        return self.cleanup.enter_context(open_equal_paths(width))


@pytest.fixture
def agent(bridge, tmp_path):
    """The real agent at the near end of the bridge: `agent.test("ping", bridge.far.ipv4, ...)`."""
    return Agent(bridge.host("near"), tmp_path)


@pytest.fixture
def lab_table(record_property):
    """Puts lines into the table at the end of the run."""
    return LabTable(record_property)


@dataclass(frozen=True, slots=True)
class LabTable:
    record_property: object

    def record(self, experiment, truth, measured, unit="", verdict=""):
        """A line; a verdict of True or False is shown as a word, another is a remark."""
        words = {True: "good", False: "WRONG"}
        verdict = words[verdict] if isinstance(verdict, bool) else str(verdict)
        row = (experiment, show(truth), show(measured), unit, verdict)
        self.record_property(PROPERTY, row)


def show(value):
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def pytest_terminal_summary(terminalreporter):
    rows = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not rows:
        return
    terminalreporter.section("laboratory: truth beside measurement")
    table = [TITLES, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(TITLES))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
