"""Many clients at once: every frame the server took is in the database once."""

import json

import pytest

from tests.flows.simulation import simulate

pytestmark = pytest.mark.slow

CLIENTS = 20
SECONDS = 5
ALL_FAULTS = ("--late", 0.3, "--duplicate", 0.3, "--shuffled", "--anomaly-share", 0.2)


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


@pytest.mark.parametrize(
    ("kind", "clients", "options"),
    [("host", CLIENTS, ("--frames-per-request", 4)), ("test", 5, ())],
)
def test_late_shuffled_and_doubled_frames_are_stored_once(
    any_server, admin, tmp_path, kind, clients, options
):
    if kind == "test":
        admin.create_test("of all", selection_kind="all", selector={})
    simulation = simulate(
        any_server,
        admin,
        tmp_path / "ledger",
        clients=clients,
        rate_per_second=10,
        duration_seconds=SECONDS,
        further=("--kind", kind, *ALL_FAULTS, *options, "--anomalies", tmp_path / "anomalies"),
    )
    summary = simulation.summary
    assert simulation.exit_code == 0, (summary, simulation.complaint)
    assert simulation.verdict.is_exactly_once, simulation.verdict
    assert summary["frames"] + summary["dropped_out"] == clients * 10 * SECONDS
    assert simulation.verdict.measured == summary["frames"]
    assert summary["late"] > 0
    assert summary["duplicate"] >= summary["sent_again"] > 0
    notes = [json.loads(line) for line in (tmp_path / "anomalies").read_text().splitlines()]
    missing = sum(note["frames"] for note in notes if note["kind"] == "drop_out")
    assert missing == summary["dropped_out"]
