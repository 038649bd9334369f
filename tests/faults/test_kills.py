"""kill -9 of every process at random moments: nothing is lost, nothing doubled, all comes back."""

import signal
import tempfile
import time
from pathlib import Path
from typing import get_args

import pytest

from streamswarm_agent.runtime.crash import CrashPoint
from tests.faults.oracle import compare
from tests.faults.random_runs import describe_round
from tests.faults.rounds import VICTIMS, run_installation, run_rounds, settle
from tests.flows.agents import enrol_host
from tests.flows.relay import run_relay
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

CRASH_SECONDS = 120
UNANSWERED = 5
DIED = "the agent died while the run was under way"


# On PostgreSQL test_exposed_site.py and test_queue_faults.py kill each of them as well.
@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def installation(request):
    if request.param == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    with run_installation(request.param) as running:
        yield running


@pytest.fixture
def host_folder():
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as folder:
        yield Path(folder) / "host"


def crash_at(installation, point):
    """The agent dies at the point, and is started again as by a service manager; when it died."""
    host = installation.host
    host.stop()
    host.start({"SWARM_AGENT_CRASH_AT": point})
    wait_until(lambda: host.process.poll() is not None, seconds=CRASH_SECONDS, what="its death")
    died_at = time.monotonic()
    assert host.process.returncode == -signal.SIGKILL
    host.start()
    return died_at


@pytest.mark.repeats("postgresql")
@pytest.mark.parametrize("point", get_args(CrashPoint))
def test_an_agent_that_dies_at_a_crash_point_loses_and_doubles_nothing(
    installation, point, fault_journal
):
    duplicates = installation.database.count_duplicates()
    died_at = crash_at(installation, point)
    measured = len(installation.host.read_ledger())
    wait_until(
        lambda: len(installation.host.read_ledger()) > measured,
        seconds=CRASH_SECONDS,
        what="measuring after the crash",
    )
    recovery_seconds = time.monotonic() - died_at
    verdict = settle(installation)
    fault_journal.record(1, f"agent dies {point}", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict
    installation.host.start()
    if point == "after_answer":
        assert installation.database.count_duplicates() > duplicates
    if point == "mid_probe":
        assert DIED in {run["reason"] for run in installation.admin.list_runs(state="failed")}


@pytest.mark.repeats("postgresql")
def test_answers_lost_on_the_way_double_nothing(installation, host_folder, fault_journal):
    """The server has committed and its answer never arrives, as when it dies in between."""
    server, database = installation.server, installation.database
    token = installation.admin.issue_enrolment_token()
    with run_relay(int(server.environment["SWARM_PORT"])) as relay:
        host = enrol_host(host_folder, relay.url, token, "far-host")
        host.start()
        try:
            relay.is_losing_answers = True
            wait_until(
                lambda: len(database.list_measurements(host.client_id)) >= UNANSWERED,
                seconds=CRASH_SECONDS,
                what="frames whose answers are lost",
            )
            relay.is_losing_answers = False
            begin = time.monotonic()
            duplicates = database.count_duplicates()
            wait_until(
                lambda: database.count_duplicates() >= duplicates + UNANSWERED,
                seconds=CRASH_SECONDS,
                what="frames that come in again",
            )
            recovery_seconds = time.monotonic() - begin
            assert host.stop() == 0
        finally:
            host.end()
    verdict = compare(host.read_ledger(), database.list_measurements(host.client_id))
    fault_journal.record(7, "answers lost", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict


@pytest.mark.repeats("postgresql")
def test_killed_processes_lose_and_double_nothing_and_come_back(
    installation, rounds, fault_journal
):
    kind = "postgresql" if installation.cluster else "sqlite"
    done = run_rounds(installation, VICTIMS[kind], rounds)
    for item in done:
        fault_journal.record_run(describe_round(kind, item))
    assert len(done) == rounds * len(VICTIMS[kind])
    assert [item for item in done if item.lost or item.doubled or not item.measured] == []
    verdict = settle(installation)
    assert verdict.is_exactly_once, verdict
