"""Throughput by TCP and UDP, QoS, HTTP throughput and iperf3 of real agents, to the run's page."""

import shutil
import subprocess
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from streamswarm_agent.collectors.commands import find_program
from tests.flows.agents import enrol_host
from tests.flows.api_user import FORM_TOKEN, become_admin, sign_in
from tests.flows.conftest import QUICK
from tests.servers.stack import find_free_port, run_stack
from tests.servers.waiting import wait_until

# What a result is worth is stored and shown the same on either database.
pytestmark = [pytest.mark.slow, pytest.mark.repeats("postgresql")]

REACH_SECONDS = 90
NEVER = {"schedule_kind": "once", "start_at": "2036-01-01T00:00:00Z", "duration_seconds": 5}
# A busy machine may be slower, none is much faster.
MOST_MEGABITS = 4
RATE = {"rate_megabits": MOST_MEGABITS, "omit_seconds": 0}
RUNS_OF_TWO = {
    "throughput by TCP": (
        "throughput", {**RATE, "protocol": "tcp"},
        ("net.throughput.tcp.receive", "net.throughput.tcp.reverse"),
        ("To the peer", "From the peer", "Mbit/s", "Rate over time"),
    ),
    "throughput by UDP": (
        "throughput", {**RATE, "protocol": "udp"},
        ("net.throughput.udp.receive{direction=forward}",
         "net.throughput.udp.receive{direction=reverse}"),
        ("To the peer", "From the peer", "Packets:", "Jitter"),
    ),
    "QoS": (
        "qos", {"classes": "0,46"},
        ("qos.class.rtt.median{dscp=0}", "qos.dscp.received{direction=forward,dscp=46}"),
        ("EF", "best effort"),
    ),
}  # fmt: skip


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
def cookie(swarm, admin):
    return sign_in(swarm.base_url)


@pytest.fixture(scope="module")
def hosts(swarm, admin):
    """Two hosts of which the server knows what each measures and answers."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-rates-"))
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


@pytest.fixture
def finish(admin):
    """The run of a test, asked for now, once it is over."""

    def run(test_id):
        (asked,) = admin.post(f"tests/{test_id}/run-now/", {})
        found = {}

        def is_over():
            found.update(admin.get(f"runs/{asked['id']}/"))
            return found["state"] in {"finished", "failed", "nonstart", "missed"}

        wait_until(is_over, seconds=REACH_SECONDS, what="the run's end")
        assert found["state"] == "finished", found["reason"]
        assert found["result"]["is_success"], found["result"]["reason"]
        return found

    return run


@pytest.fixture
def read_page(swarm, cookie):
    def read(path):
        answer = httpx.get(f"{swarm.base_url}{path}", headers={"Cookie": cookie}, trust_env=False)
        assert answer.status_code == 200
        return answer.text.replace("\u00a0", " ").replace("\u202f", "")

    return read


@pytest.mark.parametrize("name", RUNS_OF_TWO)
def test_two_agents_measure_and_the_page_shows_it(admin, hosts, finish, read_page, name):
    kind, parameters, figures, words = RUNS_OF_TWO[name]
    near, far = hosts
    test = admin.create_test(
        name, far.client_id, kind=kind, target="", topology="pair", hub=near.client_id,
        parameters=parameters, **NEVER,
    )  # fmt: skip
    run = finish(test["id"])
    values = run["result"]["values"]
    assert run["result"]["method"] == parameters.get("protocol", "udp")
    for figure in figures:
        assert values[figure] > 0
    if kind == "throughput":
        assert values[figures[0]] < 1.3 * MOST_MEGABITS * 1e6
    shown = read_page(f"/runs/{run['id']}/")
    assert [word for word in words if word not in shown] == []


class LargeFile(BaseHTTPRequestHandler):
    """Answers each GET with 64 MiB, or as much of it as is taken."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(64 << 20))
        self.end_headers()
        try:
            for _ in range(64):
                self.wfile.write(bytes(1 << 20))
        except OSError:
            return

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def large_file():
    server = ThreadingHTTPServer(("127.0.0.1", 0), LargeFile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/large"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_large_file_is_fetched_and_the_page_shows_it(admin, hosts, finish, read_page, large_file):
    test = admin.create_test(
        "Large file", hosts[0].client_id, kind="http_throughput", target=large_file,
        parameters={"max_megabits": 20, "omit_seconds": 1}, **NEVER,
    )  # fmt: skip
    run = finish(test["id"])
    assert 1e6 < run["result"]["values"]["net.throughput.http.download"] < 25e6
    shown = read_page(f"/runs/{run['id']}/")
    assert "Download" in shown
    assert "Rate over time" in shown


@pytest.fixture
def iperf3_port():
    program = find_program("iperf3")
    if program is None:
        pytest.skip("iperf3 is not installed: apt install iperf3")
    process, port = start_iperf3(program)
    yield port
    process.kill()
    process.wait()


def start_iperf3(program):
    """The server and its port; of a port that somebody took meanwhile the next one is tried."""
    while True:
        port = find_free_port()
        argv = [program, "-s", "-B", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(
            lambda: is_open(port) or process.poll() is not None,  # noqa: B023 - waited for here
            seconds=REACH_SECONDS,
            what="the port of iperf3",
        )
        if process.poll() is None:
            return process, port


def is_open(port):
    lines = Path("/proc/net/tcp").read_text().splitlines()
    return any(f" 0100007F:{port:04X} " in line and " 0A " in line for line in lines)


def fill_in(swarm, cookie, fields):
    """Sends the form of a new test as a browser does; the id of the test that it makes."""
    with httpx.Client(base_url=swarm.base_url, trust_env=False, timeout=30) as browser:
        browser.headers["Cookie"] = cookie
        form = browser.get("/tests/new/")
        token = FORM_TOKEN.search(form.text)
        answer = browser.post(
            "/tests/new/",
            data={**fields, "csrfmiddlewaretoken": token[1]},
            headers={"Referer": f"{swarm.base_url}/tests/new/"},
        )
    assert answer.status_code == httpx.codes.FOUND, answer.text
    return answer.headers["Location"].strip("/").rpartition("/")[2]


@pytest.mark.parametrize("protocol", [pytest.param("tcp", marks=pytest.mark.repeats), "udp"])
def test_iperf3_goes_from_the_form_to_the_card(
    swarm, cookie, hosts, finish, read_page, iperf3_port, protocol
):
    test_id = fill_in(
        swarm, cookie,
        {
            "name": f"iperf3 by {protocol}", "kind": "iperf3", "target": "127.0.0.1",
            "schedule_kind": "once", "start_at": "2036-01-01T00:00", "duration_seconds": "6",
            "sample_interval_seconds": "1", "slip_seconds": "0", "clients": hosts[0].client_id,
            "iperf3-port": str(iperf3_port), "iperf3-protocol": protocol,
            "iperf3-direction": "both", "iperf3-streams": "2", "iperf3-omit_seconds": "0",
            "iperf3-rate_megabits": str(2 * MOST_MEGABITS), "iperf3-packet_bytes": "1400",
            "iperf3-congestion": "", "iperf3-ip_version": "any", "iperf3-dscp": "0",
        },
    )  # fmt: skip
    run = finish(test_id)
    values = run["result"]["values"]
    keys = ["net.throughput.tcp.receive", "net.throughput.tcp.reverse"]
    if protocol == "udp":
        keys = [f"net.throughput.udp.receive{{direction={way}}}" for way in ("forward", "reverse")]
    for key in keys:
        assert 0 < values[key] < 1.3 * 2 * MOST_MEGABITS * 1e6
    shown = read_page(f"/runs/{run['id']}/")
    for word in ("Measured by iperf3", "To the peer", "From the peer"):
        assert word in shown
