"""Many clients at once: every frame the server took is in the database once."""

import pytest

from tests.flows.simulation import simulate

pytestmark = pytest.mark.slow

CLIENTS = 20
SECONDS = 5


def test_the_ledger_of_simulated_clients_equals_the_database(any_server, admin, tmp_path):
    simulation = simulate(
        any_server,
        admin,
        tmp_path / "ledger",
        clients=CLIENTS,
        rate_per_second=1,
        duration_seconds=SECONDS,
    )
    assert simulation.exit_code == 0, simulation.complaint
    assert simulation.summary["errors"] == 0
    assert simulation.summary["accepted"] == CLIENTS * SECONDS
    assert simulation.verdict.is_exactly_once
    assert simulation.verdict.measured == CLIENTS * SECONDS
