"""The main job: a host is enrolled, a test scheduled, run, stored once and pushed to a browser."""

import json
from datetime import UTC, datetime, timedelta
from statistics import median
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streamswarm_agent.wire.times import format_time
from tests.faults.oracle import Database, compare
from tests.flows.api_user import sign_in
from tests.flows.relay import run_relay
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.slow

REACH_SECONDS = 30
NUDGED_SECONDS = 2.0
LIVE_SECONDS = 20.0


@pytest.fixture
def host(any_server, make_host):
    """A host whose running agent the server has seen."""
    host = make_host(any_server)
    host.start()
    wait_until(lambda: "socket_open" in host.read_log(), seconds=REACH_SECONDS, what="the socket")
    return host


def open_live(base_url, cookie, *, origin=None):
    """The socket of a page."""
    url = f"ws://{urlsplit(base_url).netloc}/ws/live/"
    return connect(
        url, origin=origin or base_url, additional_headers={"Cookie": cookie}, proxy=None
    )


def receive_frames(socket, topic, count):
    """The first frames pushed on a topic, and the sequence numbers of all messages until then."""
    frames, numbers = [], []
    while len(frames) < count:
        message = json.loads(socket.recv(timeout=LIVE_SECONDS))
        numbers.append(message["seq"])
        frames += [frame for frame in message.get("frames", ()) if frame["topic"] == topic]
    return frames, numbers


def wait_for_run(admin, what, **query):
    """The newest run that fits, once there is one."""
    found = []

    def is_there():
        found[:] = admin.list_runs(**query)
        return bool(found)

    wait_until(is_there, seconds=REACH_SECONDS, what=what)
    return found[0]


def stop_and_compare(any_server, host):
    """The verdict on everything the host's agent ever measured, after its clean end."""
    assert host.stop() == 0
    stored = Database.of(any_server.environment).list_measurements(host.client_id)
    return compare(host.read_ledger(), stored)


def test_from_enrolment_to_points_in_a_browser(any_server, admin, host):
    test = admin.create_test("Story", host.client_id)
    topic = f"assignment:{admin.find_assignment(test['id'])}"
    with open_live(any_server.base_url, sign_in(any_server.base_url)) as socket:
        socket.send(json.dumps({"subscribe": [topic]}))
        frames, numbers = receive_frames(socket, topic, 3)
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(0 <= frame["values"]["net.rtt.median"] < 1 for frame in frames)
    pushed = {f" {format_time(frame['at'])}" for frame in frames}
    assert all(any(line.endswith(moment) for line in host.read_ledger()) for moment in pushed)
    run = wait_for_run(admin, "a finished run", test=test["id"], state="finished")
    assert run["result"]["is_success"]
    assert run["client"] == host.client_id
    series = admin.get(
        "series/",
        client=host.client_id,
        test=test["id"],
        metric="net.rtt.median",
        start=run["start_at"],
        points=2000,
    )
    assert series["at"]
    admin.post(f"tests/{test['id']}/pause/")
    assert stop_and_compare(any_server, host).is_exactly_once


def test_a_page_of_another_origin_and_a_stranger_get_nothing(any_server):
    cookie = sign_in(any_server.base_url)
    with pytest.raises(Exception, match="403"):
        open_live(any_server.base_url, cookie, origin="http://evil.example")
    with (
        open_live(any_server.base_url, "sessionid=none") as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=LIVE_SECONDS)
    assert closed.value.rcvd.code == 4401


def run_now(admin, test_id):
    """The run asked for, once it has a result."""
    (asked,) = admin.post(f"tests/{test_id}/run-now/", {})
    found = []

    def has_result():
        found[:] = [admin.get(f"runs/{asked['id']}/")]
        return found[0]["result"] is not None

    wait_until(has_result, seconds=REACH_SECONDS, what="the result of a run asked for")
    return found[0]


def compute_wait_seconds(run):
    """From asking for a run until the agent began it, on the server's clock."""
    asked_at, started_at = map(datetime.fromisoformat, (run["start_at"], run["started_at"]))
    return (started_at - asked_at).total_seconds()


def create_resting_test(admin, host, name, **definition):
    """A test that runs only when asked to."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    once = {"schedule_kind": "once", "start_at": tomorrow.isoformat()}
    return admin.create_test(name, host.client_id, **{"duration_seconds": 1, **once, **definition})


def test_a_run_asked_for_reaches_the_agent_by_a_nudge(admin, host):
    test = create_resting_test(admin, host, "Nudged")
    runs = [run_now(admin, test["id"]) for _ in range(3)]
    assert {run["state"] for run in runs} == {"finished"}
    assert median(map(compute_wait_seconds, runs)) < NUDGED_SECONDS


def test_a_run_asked_for_is_found_by_polling_when_the_socket_is_cut(any_server, admin, make_host):
    with run_relay(any_server.site.port) as relay:
        host = make_host(any_server, server_url=relay.url)
        host.start()
        wait_until(lambda: relay.cut_sockets, seconds=REACH_SECONDS, what="a cut socket")
        test = create_resting_test(admin, host, "Polled")
        assert run_now(admin, test["id"])["state"] == "finished"
        assert "socket_open" not in host.read_log()
        assert stop_and_compare(any_server, host).is_exactly_once


def count_samples(host, assignment_id):
    return sum(line.startswith(f"frame assignment {assignment_id} ") for line in host.read_ledger())


def wait_for_host_frames(host, count):
    """Returns when the host was sampled so many times more: about as many seconds."""
    prefix = "frame host "

    def sampled():
        return sum(line.startswith(prefix) for line in host.read_ledger())

    goal = sampled() + count
    wait_until(lambda: sampled() >= goal, seconds=REACH_SECONDS, what="samples of the host")


def test_a_paused_test_rests_and_a_resumed_one_goes_on(any_server, admin, host):
    test = admin.create_test("Paused", host.client_id)
    assignment_id = admin.find_assignment(test["id"])
    wait_for_run(admin, "a first run", test=test["id"], state="finished")
    admin.post(f"tests/{test['id']}/pause/")
    wait_until(
        lambda: not admin.list_runs(test=test["id"], state="running"),
        seconds=REACH_SECONDS,
        what="the end of the last run",
    )
    wait_for_host_frames(host, 2)
    samples = count_samples(host, assignment_id)
    wait_for_host_frames(host, 3)
    assert count_samples(host, assignment_id) == samples
    resumed = admin.post(f"tests/{test['id']}/resume/")
    wait_until(
        lambda: count_samples(host, assignment_id) > samples,
        seconds=REACH_SECONDS,
        what="samples after the pause",
    )
    assert resumed["schedule_revision"] > test["schedule_revision"]
    assert stop_and_compare(any_server, host).is_exactly_once


def test_a_stopped_run_ends_on_the_agent_and_says_so(any_server, admin, host):
    test = create_resting_test(admin, host, "Stopped", duration_seconds=600)
    (asked,) = admin.post(f"tests/{test['id']}/run-now/", {})
    assignment_id = admin.find_assignment(test["id"])
    wait_until(
        lambda: count_samples(host, assignment_id), seconds=REACH_SECONDS, what="a first sample"
    )
    assert admin.post(f"tests/{test['id']}/stop/") == {"stopped": 1}
    ended = f"run_ended run={asked['id']} outcome=cancelled"
    wait_until(lambda: ended in host.read_log(), seconds=REACH_SECONDS, what="the run's end")
    run = admin.get(f"runs/{asked['id']}/")
    assert run["state"] == "cancelled"
    assert stop_and_compare(any_server, host).is_exactly_once
    assert admin.get(f"results/{asked['id']}/")["outcome"] == "cancelled"
