"""The server is away for a while: the agent goes on, and afterwards everything is there once."""

import signal

import pytest

from tests.faults.oracle import Database, compare
from tests.flows.api_user import become_admin
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

RUN_SECONDS = 2
AWAY_SECONDS = 20
RETURN_SECONDS = 90
DIED = "the agent died while the run was under way"


def list_results(host):
    return [line for line in host.read_ledger() if line.startswith("result ")]


def wait_for_results(host, count, what):
    goal = len(list_results(host)) + count
    wait_until(lambda: len(list_results(host)) >= goal, seconds=60, what=what)


def test_what_was_measured_without_the_server_is_stored_once_when_it_is_back(server, make_host):
    admin = become_admin(server)
    host = make_host(server)
    host.start()
    test = admin.create_test("Away", host.client_id, duration_seconds=RUN_SECONDS)
    wait_for_results(host, 2, "results before the fault")
    server.kill9("web")
    before = host.read_ledger()
    wait_for_results(host, AWAY_SECONDS // RUN_SECONDS // 2, "results without the server")
    # Without a server to ask, a restarted agent goes on by the orders it kept.
    host.stop(signal.SIGKILL)
    host.start()
    wait_for_results(host, AWAY_SECONDS // RUN_SECONDS // 2, "results after a restart")
    missed = set(host.read_ledger()) - set(before)
    database = Database.of(server.environment)
    assert not missed.intersection(database.list_measurements(host.client_id))
    server.restart("web")
    wait_until(
        lambda: missed.issubset(database.list_measurements(host.client_id)),
        seconds=RETURN_SECONDS,
        what="the return of everything measured meanwhile",
    )
    admin.post(f"tests/{test['id']}/pause/")
    assert host.stop() == 0
    verdict = compare(host.read_ledger(), database.list_measurements(host.client_id))
    assert verdict.is_exactly_once, verdict
    runs = admin.list_runs(test=test["id"], page_size=1000)
    assert [run["state"] for run in runs].count("finished") >= AWAY_SECONDS // RUN_SECONDS
    assert [run["reason"] for run in runs].count(DIED) == 1
