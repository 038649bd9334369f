"""A UDP session of two real agents, from the API to the page of its run."""

import httpx
import pytest

from tests.flows.api_user import sign_in
from tests.flows.two_hosts import ask_for_run, create_pair, run_two_hosts, wait_for_state

# Who meets whom when is decided and stored by services that are tested on either database.
pytestmark = [pytest.mark.slow, pytest.mark.repeats("postgresql")]

PACKETS = 50


@pytest.fixture(scope="module")
def run(any_server, admin):
    """The finished run of a session between two hosts."""
    parameters = {"interval_seconds": 0.05, "count": PACKETS}
    with run_two_hosts(any_server, admin) as hosts:
        test = create_pair(
            admin, hosts, "Line between both", kind="udp_session", duration_seconds=5,
            parameters=parameters,
        )  # fmt: skip
        run_id = ask_for_run(admin, test)
        yield wait_for_state(admin, run_id, "finished", "failed", "nonstart", "missed")


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


def test_its_page_shows_both_directions(run, any_server):
    headers = {"Cookie": sign_in(any_server.base_url)}
    answer = httpx.get(f"{any_server.base_url}/runs/{run['id']}/", headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert "Both directions" in answer.text
    assert "How many round trips took how long" in answer.text
