"""The laboratory's fixtures, which experiments run, and the table of truth beside measurement.

Naming this folder (`make lab`, `pytest tests/lab`) runs all experiments; in a run of all tests
those marked `slow` are skipped.
"""

from pathlib import Path

import pytest

from tests.lab.network import explain_missing, open_laboratory

FOLDER = Path(__file__).resolve().parent
PROPERTY = "laboratory"
TITLES = ("experiment", "figure", "truth", "measured", "remark")


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
def laboratory(tmp_path_factory):
    reason = explain_missing()
    if reason:
        pytest.skip(reason)
    with open_laboratory(tmp_path_factory.mktemp("agent")) as opened:
        yield opened


@pytest.fixture
def note(record_property, request):
    """Puts a line into the table at the end of the run."""

    def write(figure, truth, measured, remark=""):
        row = (request.node.callspec.id, figure, f"{truth:.6g}", f"{measured:.6g}", remark)
        record_property(PROPERTY, row)

    return write


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
