"""Agents that start anew, are installed again, or are copied with their state folder."""

import shutil
import signal
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from streamswarm_agent.wire.records import SEQUENCE_BITS
from tests.faults.oracle import Database, compare
from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
WAIT_SECONDS = 120
LINES = 5
RUN_SECONDS = 3
ANEW = "it begins anew"
DIED = "the agent died while the run was under way"
_names = (f"twin-{number}" for number in count(1))


@pytest.fixture(scope="module")
def stack():
    with run_stack("sqlite", settings=QUICK, with_worker=False, with_beat=False) as running:
        yield running


@pytest.fixture(scope="module")
def admin(stack):
    return become_admin(stack)


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as path:
        yield Path(path)


@pytest.fixture
def host(stack, admin, folder):
    """A measuring agent on a host of its own."""
    name = next(_names)
    made = enrol_host(folder / name, stack.base_url, admin.issue_enrolment_token(), name)
    try:
        made.start()
        wait_for_lines(made)
        yield made
    finally:
        made.end()


def wait_for_lines(host, lines=LINES):
    goal = len(host.read_ledger()) + lines
    wait_until(lambda: len(host.read_ledger()) >= goal, seconds=WAIT_SECONDS, what="measuring")


def list_stored(stack, host):
    return Database.of(stack.environment).list_measurements(host.client_id)


def list_boots(host):
    """The boot counters of an agent's frames, in the order of the starts."""
    lines = [line.split(" ") for line in host.read_ledger() if line.startswith("frame ")]
    return list(dict.fromkeys(int(fields[3]) >> SEQUENCE_BITS for fields in lines))


def test_two_agents_of_one_copied_state_folder_are_noticed_and_lose_nothing(
    stack, admin, host, folder, fault_journal
):
    assert host.stop() == 0
    twin = AgentHost(folder / "copy")
    twin.folder.mkdir()
    shutil.copytree(host.state_folder, twin.state_folder)
    known = {"is_clone_suspected": "true", "page_size": 100}
    assert host.client_id not in {row["id"] for row in admin.get("clients/", **known)["results"]}
    try:
        host.start()
        twin.start()
        begin = time.monotonic()
        wait_until(
            lambda: admin.get(f"clients/{host.client_id}/")["clone_suspected_at"],
            seconds=WAIT_SECONDS,
            what="the notice of a clone",
        )
        noticed_seconds = time.monotonic() - begin
        wait_for_lines(twin)
        assert (host.stop(), twin.stop()) == (0, 0)
    finally:
        twin.end()
    assert host.client_id in {row["id"] for row in admin.get("clients/", **known)["results"]}
    assert "take turns" in admin.get(f"clients/{host.client_id}/")["clone_detail"]
    assert list_boots(host)[-1] == list_boots(twin)[-1]
    both = {*host.read_ledger(), *twin.read_ledger()}
    # The twins number their frames alike: what tells them apart is the whole line.
    verdict = compare(both, list_stored(stack, host), name=str)
    fault_journal.record(12, "a copied state folder", verdict, recovery_seconds=noticed_seconds)
    assert verdict.is_exactly_once, verdict


def test_an_agent_installed_again_under_its_name_is_another_client(
    stack, admin, host, folder, fault_journal
):
    name = admin.get(f"clients/{host.client_id}/")["name"]
    assert host.stop() == 0
    again = enrol_host(folder / "again", stack.base_url, admin.issue_enrolment_token(), name)
    try:
        again.start()
        wait_for_lines(again)
        assert again.stop() == 0
    finally:
        again.end()
    assert again.client_id != host.client_id
    assert admin.get(f"clients/{again.client_id}/")["name"] == f"{name}-2"
    for installation in (host, again):
        verdict = compare(installation.read_ledger(), list_stored(stack, installation))
        fault_journal.record(12, "installed again", verdict, nothing_to_recover=ANEW)
        assert verdict.is_exactly_once, verdict
        assert admin.get(f"clients/{installation.client_id}/")["clone_suspected_at"] is None


def test_an_agent_that_keeps_only_its_key_begins_anew_and_is_no_clone(
    stack, admin, host, fault_journal
):
    assert host.stop() == 0
    for path in host.state_folder.iterdir():
        if path.name != "agent.json":
            with suppress(IsADirectoryError):
                path.unlink()
    host.start()
    wait_for_lines(host)
    assert host.stop() == 0
    # It numbers its frames anew as well: what tells them apart is the whole line.
    verdict = compare(host.read_ledger(), list_stored(stack, host), name=str)
    fault_journal.record(12, "only the key is left", verdict, nothing_to_recover=ANEW)
    assert verdict.is_exactly_once, verdict
    assert admin.get(f"clients/{host.client_id}/")["clone_suspected_at"] is None


def test_a_run_that_the_agents_death_cut_short_is_aborted_and_no_zero(
    stack, admin, host, fault_journal
):
    test = admin.create_test("Cut short", host.client_id, duration_seconds=RUN_SECONDS)

    def list_states(*states):
        runs = admin.list_runs(test=test["id"], page_size=1000)
        return [run for run in runs if run["state"] in states]

    wait_until(lambda: list_states("running"), seconds=WAIT_SECONDS, what="a run under way")
    host.stop(signal.SIGKILL)
    begin = time.monotonic()
    host.start()
    wait_until(lambda: list_states("failed"), seconds=WAIT_SECONDS, what="the aborted run")
    recovery_seconds = time.monotonic() - begin
    admin.post(f"tests/{test['id']}/pause/")
    assert host.stop() == 0
    (run,) = [run for run in list_states("failed") if run["reason"] == DIED]
    rows = admin.get("results/", test=test["id"], page_size=1000)["results"]
    (result,) = [row for row in rows if row["run"] == run["id"]]
    assert (result["outcome"], result["is_success"]) == ("aborted", None)
    assert result["values"] == {}
    first, *others = list_boots(host)
    assert others == [first + 1]
    verdict = compare(host.read_ledger(), list_stored(stack, host))
    fault_journal.record(12, "restarted in a run", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict
