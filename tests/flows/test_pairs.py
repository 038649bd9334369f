"""A test of two agents, from the API to a result, with real agents, sockets and server."""

import os
from pathlib import Path

import pytest

from tests.flows.agents import ROOT
from tests.flows.conftest import QUICK
from tests.flows.two_hosts import (
    REACH_SECONDS,
    ask_for_run,
    create_pair,
    run_two_hosts,
    wait_for_state,
)
from tests.servers.waiting import wait_until

# Who meets whom when is decided and stored by services that are tested on either database.
pytestmark = [pytest.mark.slow, pytest.mark.repeats("postgresql")]

# A package with a kind of test for two agents, as pip would have put it there.
PLUGIN = Path(__file__).parent / "talk"


@pytest.fixture(scope="module")
def server_settings():
    """Of a server that knows the kind `talk`."""
    return {**QUICK, "PYTHONPATH": str(PLUGIN)}


@pytest.fixture(scope="module")
def hosts(any_server, admin):
    paths = os.pathsep.join([str(ROOT / "agent" / "src"), str(PLUGIN)])
    with run_two_hosts(any_server, admin, {"PYTHONPATH": paths}) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def pair(admin, hosts):
    return create_pair(admin, hosts, "Talk", kind="talk")


def wait_for_log(host, text):
    wait_until(lambda: text in host.read_log(), seconds=REACH_SECONDS, what=text)


def test_two_agents_measure_between_each_other_and_one_result_closes_the_run(admin, hosts, pair):
    near, far = hosts
    run_id = ask_for_run(admin, pair)
    run = wait_for_state(admin, run_id, "finished", "failed", "nonstart")
    assert run["state"] == "finished", run["reason"]
    assert run["result"]["is_success"]
    assert run["result"]["method"] == "udp"
    assert run["result"]["values"]["net.packet.loss.ratio"] == 0
    assert 0 < run["result"]["values"]["net.rtt.median"] < 1
    assert (run["client"], run["peer"]) == (near.client_id, far.client_id)
    # The far end has no result; it leaves as soon as it hears that the run is over.
    wait_for_log(far, f"run_left run={run_id}")
    assert f"run_started run={run_id}" in near.read_log()
    assert f"run_started run={run_id}" not in far.read_log()
    assert admin.get("results/", test=pair["id"])["count"] == 1
    series = admin.get(
        "series/", client=near.client_id, test=pair["id"], metric="net.rtt.median",
        start=run["start_at"], points=2000,
    )  # fmt: skip
    assert series["at"]


def test_stopping_the_test_stops_both_ends(admin, hosts, pair):
    near, far = hosts
    longer = create_pair(admin, hosts, "Long talk", kind="talk", duration_seconds=600)
    run_id = ask_for_run(admin, longer)
    wait_for_state(admin, run_id, "running")
    assert admin.post(f"tests/{longer['id']}/stop/") == {"stopped": 1}
    wait_for_log(near, f"run_ended run={run_id} outcome=cancelled")
    wait_for_log(far, f"run_left run={run_id} outcome=cancelled")
    assert wait_for_state(admin, run_id, "cancelled")["peer_name"] == "far"


def test_no_key_of_a_run_is_in_any_log_or_on_any_disk(admin, hosts, pair, any_server):
    run_id = ask_for_run(admin, pair)
    wait_for_state(admin, run_id, "finished")
    key = any_server.run_python(
        "-c",
        "import django; django.setup()\n"
        "from uuid import UUID\n"
        "from apps.tests.services.peers import derive_key\n"
        f"print(derive_key(UUID({run_id!r})).hex())",
    ).strip()
    assert len(key) == 64
    for host in hosts:
        files = [path for path in host.folder.rglob("*") if path.is_file()]
        assert any(path.name == "leases.json" for path in files)
        for path in files:
            content = path.read_bytes()
            assert key.encode() not in content, path
            assert bytes.fromhex(key) not in content, path
