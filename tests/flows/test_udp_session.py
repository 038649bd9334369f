"""A UDP session of two real agents, from the API to the page of its run."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.flows.agents import enrol_host
from tests.flows.api_user import become_admin, sign_in
from tests.flows.conftest import QUICK
from tests.servers.stack import find_free_port, run_stack
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.slow

REACH_SECONDS = 60
PACKETS = 50


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def swarm(request):
    is_postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    with run_stack(request.param, postgresql=cluster, settings=QUICK) as stack:
        yield stack


@pytest.fixture(scope="module")
def admin(swarm):
    return become_admin(swarm)


@pytest.fixture(scope="module")
def hosts(swarm, admin):
    """Two hosts of which the server knows that each answers at a port of its own."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-sessions-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        started = []
        for name in ("near", "far"):
            host = enrol_host(folder / name, swarm.base_url, swarm.issue_token(), name)
            cleanup.callback(host.end)
            host.start({"SWARM_AGENT_RESPONDER_PORT": str(find_free_port())})
            started.append(host)
        for host in started:
            wait_until(
                lambda host=host: (
                    "responder" in admin.get(f"clients/{host.client_id}/")["inventory"]
                ),
                seconds=REACH_SECONDS,
                what="an inventory that says who answers",
            )
        yield started


@pytest.fixture(scope="module")
def run(admin, hosts):
    """The finished run of a test that runs only when asked to."""
    near, far = hosts
    test = admin.create_test(
        "Line between both", far.client_id, kind="udp_session", target="", topology="pair",
        hub=near.client_id, schedule_kind="once", start_at="2036-01-01T00:00:00Z",
        duration_seconds=5, parameters={"interval_seconds": 0.05, "count": PACKETS},
    )  # fmt: skip
    (asked,) = admin.post(f"tests/{test['id']}/run-now/", {})
    found = {}

    def is_over():
        found.update(admin.get(f"runs/{asked['id']}/"))
        return found["state"] in {"finished", "failed", "nonstart", "missed"}

    wait_until(is_over, seconds=REACH_SECONDS, what="the run's end")
    return found


def test_two_agents_measure_each_direction_of_the_line_between_them(run):
    assert run["state"] == "finished", run["reason"]
    result = run["result"]
    assert (result["is_success"], result["method"]) == (True, "udp")
    values = result["values"]
    assert values["net.packet.sent"] == values["net.packet.received"] == PACKETS
    assert values["net.packet.loss.forward.ratio"] == values["net.packet.loss.reverse.ratio"] == 0
    assert 0 < values["net.rtt.udp"] < 1
    assert abs(values["net.clock.peer_offset"]) < 0.1
    assert 4 < values["net.voip.mos"] <= 4.5
    assert sum(result["document"]["net.rtt.histogram"]["counts"]) == PACKETS
    assert result["facts"]["agent.timestamp.source"] in {"kernel", "user"}


def test_its_page_shows_both_directions(run, swarm):
    headers = {"Cookie": sign_in(swarm.base_url)}
    answer = httpx.get(f"{swarm.base_url}/runs/{run['id']}/", headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert "Both directions" in answer.text
