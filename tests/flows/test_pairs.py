"""A test of two agents, from the API to a result, with real agents, sockets and server."""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flows.agents import ROOT, enrol_host
from tests.flows.api_user import become_admin
from tests.flows.conftest import QUICK
from tests.servers.stack import find_free_port, run_stack
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.slow

# A package with a kind of test for two agents, as pip would have put it there.
PLUGIN = Path(__file__).parent / "talk"
REACH_SECONDS = 60


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def swarm(request):
    """A server that knows the kind `talk`."""
    is_postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    settings = {**QUICK, "PYTHONPATH": str(PLUGIN)}
    with run_stack(request.param, postgresql=cluster, settings=settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def admin(swarm):
    return become_admin(swarm)


@pytest.fixture(scope="module")
def hosts(swarm):
    """Two hosts whose agents the server has seen: each answers at a port of its own."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-pairs-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        started = []
        for name in ("near", "far"):
            host = enrol_host(folder / name, swarm.base_url, swarm.issue_token(), name)
            cleanup.callback(host.end)
            host.start(
                {
                    "PYTHONPATH": os.pathsep.join([str(ROOT / "agent" / "src"), str(PLUGIN)]),
                    "SWARM_AGENT_RESPONDER_PORT": str(find_free_port()),
                }
            )
            wait_until(
                lambda host=host: "socket_open" in host.read_log(),
                seconds=REACH_SECONDS,
                what="the socket",
            )
            started.append(host)
        yield started


@pytest.fixture(scope="module")
def pair(admin, hosts):
    """A test between both that runs only when asked to, once the server knows who answers."""
    near, far = hosts
    wait_until(
        lambda: "responder" in admin.get(f"clients/{far.client_id}/")["inventory"],
        seconds=REACH_SECONDS,
        what="an inventory that says who answers",
    )
    return admin.create_test(
        "Talk",
        far.client_id,
        kind="talk",
        target="",
        topology="pair",
        hub=near.client_id,
        schedule_kind="once",
        start_at="2036-01-01T00:00:00Z",
    )


def ask_for_run(admin, test):
    (run,) = admin.post(f"tests/{test['id']}/run-now/", {})
    return run["id"]


def wait_for_state(admin, run_id, *states):
    found = []

    def has_state():
        found[:] = [admin.get(f"runs/{run_id}/")]
        return found[0]["state"] in states

    wait_until(has_state, seconds=REACH_SECONDS, what=f"a run that is {' or '.join(states)}")
    return found[0]


def wait_for_log(host, text):
    wait_until(lambda: text in host.read_log(), seconds=REACH_SECONDS, what=text)


def test_two_agents_measure_between_each_other_and_one_result_closes_the_run(
    admin, hosts, pair, swarm
):
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
    longer = admin.create_test(
        "Long talk", far.client_id, kind="talk", target="", topology="pair", hub=near.client_id,
        duration_seconds=600, schedule_kind="once", start_at="2036-01-01T00:00:00Z",
    )  # fmt: skip
    run_id = ask_for_run(admin, longer)
    wait_for_state(admin, run_id, "running")
    assert admin.post(f"tests/{longer['id']}/stop/") == {"stopped": 1}
    wait_for_log(near, f"run_ended run={run_id} outcome=cancelled")
    wait_for_log(far, f"run_left run={run_id} outcome=cancelled")
    assert wait_for_state(admin, run_id, "cancelled")["peer_name"] == "far"


def test_no_key_of_a_run_is_in_any_log_or_on_any_disk(admin, hosts, pair, swarm):
    run_id = ask_for_run(admin, pair)
    wait_for_state(admin, run_id, "finished")
    key = swarm.run_python(
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
