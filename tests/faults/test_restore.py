"""A server that goes back to an older state of its database: row 18 of the matrix."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.exposed import FAR, NEAR, run_exposed_site
from tests.faults.oracle import LONG_AGO
from tests.faults.refusals import list_refused
from tests.faults.rounds import RUN_SECONDS, TESTS
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

WAIT_SECONDS = 120
LATER_LINES = 10
LEAST_RESULTS = 3
SERVER_CHILDREN = ("beat", "worker", "web")
PLANNED_RUNS = "SELECT count(*) FROM tests_run WHERE start_at > {mark}"
DOUBLED_SLOTS = (
    "SELECT assignment_id, slot FROM tests_run WHERE start_at > {mark} AND slot IS NOT NULL"
    " GROUP BY assignment_id, schedule_revision, slot HAVING count(*) > 1"
)
OPEN_RUNS = (
    "SELECT count(*) FROM tests_run WHERE end_at < {mark}"
    " AND state IN ('scheduled', 'leased', 'running')"
)


# A backup of SQLite is put back by tests/operations/test_backup.py.
@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.repeats("sqlite")),
        pytest.param("postgresql", marks=pytest.mark.postgresql),
    ]
)
def site(request):
    if request.param == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    with run_exposed_site(request.param) as running:
        yield running


@pytest.fixture
def backup_file():
    with tempfile.TemporaryDirectory(prefix="swarm-backup-") as folder:
        yield Path(folder) / "older.backup"


def wait_for_lines(site, count, beginning=""):
    before = {name: count_lines(host, beginning) for name, host in site.hosts.items()}
    wait_until(
        lambda: all(
            count_lines(host, beginning) >= before[name] + count
            for name, host in site.hosts.items()
        ),
        seconds=WAIT_SECONDS,
        what="measuring",
    )


def count_lines(host, beginning):
    return sum(line.startswith(beginning) for line in host.agent.read_ledger())


def flatten(ledgers):
    return {f"{owner} {line}" for owner, lines in ledgers.items() for line in lines}


def read_stored(site):
    return flatten({owner: site.database.list_measurements(owner) for owner in site.read_ledgers()})


def list_all_refused(site):
    return flatten({host.agent.client_id: list_refused(host.agent) for host in site.hosts.values()})


def restore(site, backup_file):
    """Stops the server, puts the older state in its place and starts it again.

    Returns what had been measured by the time when the server took nothing any more.
    """
    for name in SERVER_CHILDREN:
        site.stack.children[name].stop()
    before = site.read_ledgers()
    site.stack.manage("restore", str(backup_file))
    for name in reversed(SERVER_CHILDREN):
        site.stack.children[name].start()
    site.wait_until_ready()
    return before


def test_an_older_state_is_gone_on_from_without_doubles_and_without_a_storm(
    site, backup_file, is_long_form, fault_journal
):
    stored = read_stored(site)
    assert stored
    site.stack.manage("backup", str(backup_file))
    site.admin.create_test(
        "Of later", site.hosts[NEAR].agent.client_id, duration_seconds=1, sample_interval_seconds=1
    )
    wait_for_lines(site, LATER_LINES)
    with pytest.raises(RuntimeError, match="running"):
        site.stack.manage("restore", str(backup_file))
    restored_at, begin = datetime.now(UTC), time.monotonic()
    before = restore(site, backup_file)
    began_again, at_restore = time.monotonic(), site.read_ledgers()
    recovery_seconds = began_again - begin
    wait_for_lines(site, LEAST_RESULTS, "result ")
    site.set_marks()
    wait_for_lines(site, LATER_LINES)
    gone_with_it, ledgers = flatten(before) - stored, site.read_ledgers()
    wait_until(
        lambda: not site.judge(ledgers).lost - gone_with_it - list_all_refused(site),
        seconds=WAIT_SECONDS,
        what="an answer to all that was measured",
    )
    site.end_hosts()
    seconds = time.monotonic() - began_again
    verdict = site.judge(site.read_ledgers())
    fault_journal.record(
        18,
        "an older backup restored",
        verdict,
        told=gone_with_it | list_all_refused(site),
        recovery_seconds=recovery_seconds,
    )
    assert not verdict.doubled, verdict
    assert not verdict.unlisted
    # What the server had taken over after the backup is gone with it, and nothing else of the far
    # host; the near one also ran a test of which the older state knows nothing.
    far_id = site.hosts[FAR].agent.client_id
    gone = {line for line in verdict.lost if line.startswith(far_id)}
    assert gone <= gone_with_it, gone
    for name, host in site.hosts.items():
        fresh = host.agent.read_ledger()[len(at_restore[host.agent.client_id]) :]
        results = sum(line.startswith("result ") for line in fresh)
        assert results <= (len(TESTS) + 1) * (seconds / RUN_SECONDS * 3 + 6), name
    check_the_planner(site, restored_at, is_long_form=is_long_form)


def check_the_planner(site, restored_at, *, is_long_form):
    """Runs are planned ahead, no slot twice; in the end none of before is left without an end."""
    assert site.database.select(PLANNED_RUNS, datetime.now(UTC)) > [(0,)]
    assert site.database.select(DOUBLED_SLOTS, LONG_AGO) == []
    if is_long_form:
        wait_until(
            lambda: site.database.select(OPEN_RUNS, restored_at) == [(0,)],
            seconds=WAIT_SECONDS * 2,
            what="an end of every run of before",
        )
