"""Two of each kind of process share the work, and one of each may die.

The tests build on each other: the fleet takes a while to start, and the last one kills half of it.
"""

import shutil
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from apps.core.clock import format_moment
from tests.faults.oracle import Database, compare
from tests.flows.agents import enrol_host
from tests.flows.api_user import sign_in
from tests.flows.simulation import simulate
from tests.servers.audience import Seat, seat_audience
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.postgresql]

REACH_SECONDS = 120
SIMULATED_SECONDS = 15
KILL_AFTER_SECONDS = 5.0
RESULTS_AFTER_THE_KILL = 3
RECORDS = "/api/v1/agent/records"
RUNS_QUERY = "SELECT assignment_id, schedule_revision, slot FROM tests_run WHERE start_at >= {mark}"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
COUNT_TASKS = """
import django; django.setup()
from celery import current_app
replies = current_app.control.inspect(timeout=5).stats() or {}
for name, figures in sorted(replies.items()):
    print(name, sum(figures["total"].values()))
"""


@pytest.fixture(scope="module")
def hosts(fleet, admin):
    """Two real agents, each with a test that runs back to back."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-hosts-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        made = []
        for number in (1, 2):
            host = enrol_host(
                folder / f"edge-{number}", fleet.base_url, fleet.issue_token(), f"edge-{number}"
            )
            cleanup.callback(host.end)
            admin.create_test(f"Loopback {number}", host.client_id)
            host.start()
            made.append(host)
        yield made


def list_results(host):
    return [line for line in host.read_ledger() if line.startswith("result ")]


def wait_for_results(hosts, count, what):
    goals = {host.client_id: len(list_results(host)) + count for host in hosts}
    wait_until(
        lambda: all(len(list_results(host)) >= goals[host.client_id] for host in hosts),
        seconds=REACH_SECONDS,
        what=what,
    )


def count_tasks(fleet):
    """How many tasks each worker has done."""
    lines = fleet.stack.run_python("-c", COUNT_TASKS).split("\n")
    return {name: int(count) for name, count in (line.split() for line in lines if "@" in line)}


def call_door(address, key):
    headers = {"Authorization": f"Agent {key}"}
    body = {"agent_at": format_moment(datetime.now(UTC))}
    url = f"{address}/api/v1/agent/leases"
    return httpx.post(url, json=body, headers=headers, timeout=30, trust_env=False).status_code


def test_a_session_is_good_at_every_web_server_whose_sockets_all_see_the_same(fleet, hosts):
    wait_for_results(hosts, 1, "first results")
    cookie = sign_in(fleet.base_url)
    pages = [fleet.find_address(f"web-{host}") + "/clients/" for host in (1, 2)]
    answers = [httpx.get(page, headers={"Cookie": cookie}, trust_env=False) for page in pages]
    assert [answer.status_code for answer in answers] == [200, 200]
    topics = ("overview", *(f"client:{host.client_id}" for host in hosts))
    seats = [
        Seat(port, cookie, topics)
        for port in (fleet.ports["web-1"], fleet.ports["web-2"], fleet.nginx.port)
    ]
    with seat_audience(seats) as audience:
        wait_for_results(hosts, 2, "results while pages are open")
        sightings = audience.leave()
    # All are there after the last one's first batch; what was measured just before the end may not
    # have reached all of them.
    begin = max(sighting.batches[0].arrived_at for sighting in sightings)
    end = min(max(moments) for moments in map(list_moments, sightings))
    seen = [list_measured(sighting, begin, end) for sighting in sightings]
    assert seen[0]
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]
    for sighting in sightings:
        numbers = [batch.seq for batch in sighting.batches]
        assert numbers == list(range(1, len(numbers) + 1))
        assert "overview" in {hint for batch in sighting.batches for hint in batch.hints}


def list_moments(sighting):
    return [moment for batch in sighting.batches for moment in batch.measured_at]


def list_measured(sighting, begin, end):
    return sorted(moment for moment in list_moments(sighting) if begin < moment <= end)


def test_a_revoked_key_is_refused_at_every_door(fleet, admin, tmp_path):
    host = enrol_host(tmp_path / "gone", fleet.base_url, fleet.issue_token(), "gone")
    doors = [fleet.find_address(f"door-{number}") for number in (1, 2)]
    key = host.identity.key
    assert all(call_door(door, key) != 401 for door in doors)
    admin.post(f"clients/{host.client_id}/revoke-keys/")
    wait_until(
        lambda: all(call_door(door, key) == 401 for door in doors),
        seconds=REACH_SECONDS,
        what="the refusal of a revoked key",
    )
    # The door serves agents and nobody else.
    assert httpx.get(f"{doors[0]}/clients/", trust_env=False).status_code == 404


def test_work_is_shared_and_the_death_of_one_of_each_loses_and_doubles_nothing(
    fleet, admin, hosts, tmp_path, fault_journal
):
    database = Database.of(fleet.environment)
    with ThreadPoolExecutor(1) as pool:
        simulation = pool.submit(
            simulate,
            fleet,
            admin,
            tmp_path / "ledger",
            clients=20,
            rate_per_second=1,
            duration_seconds=SIMULATED_SECONDS,
        )
        before = fleet.nginx.count_answers(RECORDS)
        wait_until(
            lambda: (fleet.nginx.count_answers(RECORDS) - before).total() > 50,
            seconds=REACH_SECONDS,
            what="load",
        )
        tasks = count_tasks(fleet)
        threading.Event().wait(KILL_AFTER_SECONDS)
        killed_at = time.monotonic()
        fleet.kill9("door-1", "web-1", "worker-1", "beat-1")
        wait_for_results(hosts, RESULTS_AFTER_THE_KILL, "results after the kill")
        recovery_seconds = time.monotonic() - killed_at
        done = simulation.result()
    assert done.exit_code == 0, done.complaint
    assert not done.verdict.lost
    assert not done.verdict.doubled
    assert all(fleet.nginx.count_answers(RECORDS)[fleet.ports[f"door-{n}"]] for n in (1, 2))
    assert all(fleet.nginx.count_answers("/api/v1/t")[fleet.ports[f"web-{n}"]] for n in (1, 2))
    assert sorted(tasks) == ["worker-1@fleet", "worker-2@fleet"]
    assert all(tasks.values())
    verdicts = judge_agents(database, hosts)
    fault_journal.record(
        2,
        "one of two of each process killed",
        replace(done.verdict, unlisted=frozenset()),  # the agents' own frames
        *verdicts,
        recovery_seconds=recovery_seconds,
    )
    for verdict in verdicts:
        assert verdict.is_exactly_once, verdict
    runs = database.select(RUNS_QUERY, LONG_AGO)
    assert len(runs) == len(set(runs))


def judge_agents(database, hosts):
    """The verdict on what each agent measured, after its clean end."""
    assert [host.stop() for host in hosts] == [0] * len(hosts)
    return [
        compare(host.read_ledger(), database.list_measurements(host.client_id)) for host in hosts
    ]
