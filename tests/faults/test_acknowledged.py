"""What the server has said it stored is stored, whenever it dies."""

import pytest

from tests.faults.load import CLIENTS, STRUCK_UNDER_LOAD, strike_under_load
from tests.servers.postgresql import MISSING, find_binaries

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.repeats("sqlite")
@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def test_what_was_acknowledged_under_load_survives_every_kill(kind, rounds, fault_journal):
    if kind == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    struck = strike_under_load(kind, rounds)
    simulation = struck.simulation
    fault_journal.record(
        2,
        f"{' and '.join(STRUCK_UNDER_LOAD[kind])} killed under load",
        simulation.verdict,
        runs=struck.strikes,
        recovery_seconds=struck.recovery_seconds,
    )
    summary = simulation.summary
    assert simulation.exit_code == 0, (summary, simulation.complaint)
    assert summary["clients"] == CLIENTS
    assert summary["errors"] > 0  # the kills were felt
    assert simulation.verdict.is_exactly_once, simulation.verdict
    assert simulation.verdict.measured == summary["frames"]
