import json
import os
import signal
import subprocess
import sys
import time

import pytest

from agent.tests.agent_process import (
    SOURCES,
    AgentProcess,
    list_measurements,
    make_quick_config,
    make_tcp_assignment,
)
from agent.tests.answering_server import LostAnswer, Refusal, read_example
from streamswarm_agent.wire.times import format_time

pytestmark = pytest.mark.faults


@pytest.fixture
def agent(server, tmp_path):
    server.config = make_quick_config()
    started = AgentProcess(server.url, tmp_path)
    yield started
    started.end()


def give_orders(server, **changes):
    """A continuous test with a horizon that ends at once, so that its runs are self-derived."""
    port = int(server.url.rpartition(":")[2])
    server.lease |= {"assignments": [make_tcp_assignment(port, **changes)]}
    answer_leases = server._answer_leases

    def answer_with_short_horizon(*args):
        status, document, headers = answer_leases(*args)
        return status, document | {"horizon_end": document["server_time"]}, headers

    server._answer_leases = answer_with_short_horizon


def outcomes(server):
    return [record["data"]["outcome"] for record in server.stored_of("result")]


@pytest.mark.parametrize(
    "point", ["before_spool", "after_spool", "during_post", "after_answer", "mid_probe"]
)
def test_nothing_is_lost_or_doubled_when_the_agent_is_killed(server, agent, point):
    give_orders(server)
    agent.start(SWARM_AGENT_CRASH_AT=point)
    assert agent.process.wait(timeout=15) == -signal.SIGKILL
    agent.start()
    assert server.wait_until(lambda now: outcomes(now).count("completed") >= 1)
    assert agent.stop() == 0
    assert agent.read_spool() == []
    assert list_measurements(server.stored.values()) == agent.read_ledger()
    assert server.violations == []
    if point == "mid_probe":
        assert "aborted" in outcomes(server)


def test_blind_kills_lose_and_double_nothing(server, agent):
    give_orders(server)
    server.misbehave("records", LostAnswer(), Refusal(503, "busy", {"Retry-After": "0"}))
    for stored in (5, 25, 45):
        agent.start()
        assert server.wait_until(lambda now, least=stored: len(now.stored) >= least)
        agent.stop(signal.SIGKILL)
    agent.start()
    assert server.wait_until(lambda now: len(now.stored) >= 65)
    assert agent.stop() == 0
    assert list_measurements(server.stored.values()) == agent.read_ledger()
    sequences = [record["data"]["seq"] for record in server.stored_of("frame")]
    assert len(sequences) == len(set(sequences))


def test_an_interrupted_run_becomes_aborted_and_never_a_zero(server, agent):
    give_orders(server, duration_seconds=600)
    agent.start()
    assert server.wait_until(lambda now: _has_frame_of(now, "assignment"))
    agent.stop(signal.SIGKILL)
    server.lease |= {"assignments": []}
    agent.start()
    assert server.wait_until(outcomes)
    assert agent.stop() == 0
    # Until its new orders come, the restarted agent may begin the next run of the old ones.
    interrupted = next(
        filter(None, (item["data"].get("run") for item in server.stored_of("frame")))
    )
    results = [record["data"] for record in server.stored_of("result")]
    (result,) = [item for item in results if item["run"] == interrupted]
    assert result["outcome"] == "aborted"
    assert result["reason"] == "the agent died while the run was under way"
    assert result["values"] == {}


def _has_frame_of(server, kind):
    return any(record["data"]["source"]["kind"] == kind for record in server.stored_of("frame"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_agent_closes_its_runs_uploads_and_exits_with_zero(server, agent, number):
    give_orders(server, duration_seconds=600)
    agent.start()
    assert server.wait_until(lambda now: _has_frame_of(now, "assignment"))
    assert agent.stop(number) == 0
    results = [record["data"] for record in server.stored_of("result")]
    assert {(item["outcome"], item["reason"]) for item in results} == {("aborted", "agent stopped")}
    assert agent.read_spool() == []


def test_an_agent_without_its_server_measures_by_its_last_orders(
    server, agent, tmp_path, unused_tcp_port
):
    port = int(server.url.rpartition(":")[2])
    document = read_example("leases_answer") | {
        "assignments": [make_tcp_assignment(port)],
        "runs": [],
        "cancelled": [],
        "server_time": format_time(time.time() - 86_400),
        "horizon_end": format_time(time.time() - 85_500),
    }
    alone = AgentProcess(f"http://127.0.0.1:{unused_tcp_port}", tmp_path / "alone")
    alone.state.write_json("leases.json", document)
    alone.state.write_json("config.json", {"etag": "", "config": make_quick_config()})
    alone.start()
    try:
        assert _wait_for_line(alone.ledger, "result ")
        assert alone.stop() == 0
    finally:
        alone.end()
    results = [json.loads(item.payload) for item in alone.read_spool() if item.kind == "result"]
    assert "completed" in {result["outcome"] for result in results}


def _wait_for_line(path, start):
    """Whether a line that starts like this is appended to the file within 15 s."""
    command = ["timeout", "15", "tail", "-F", "-n", "+1", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
        found = any(line.decode().startswith(start) for line in tail.stdout)
        tail.terminate()
    return found


def test_a_revoked_key_stops_uploads_only(server, agent):
    give_orders(server)
    revoked = Refusal(401, "key_revoked")
    for call in ("records", "heartbeat", "leases", "config"):
        server.misbehave(call, *[revoked] * 50)
    agent.start()
    assert server.wait_until(lambda now: now.bodies("records") or now.bodies("leases"))
    assert _wait_for_line(agent.ledger, "frame agent")
    assert agent.stop() == 0
    assert "key_refused code=key_revoked" in agent.log.read_text()
    assert agent.read_spool()
    assert server.stored == {}


def test_a_damaged_spool_is_set_aside_and_measuring_goes_on(server, agent):
    agent.state.spool_path.write_bytes(b"SQLite format 3\x00" + os.urandom(8000))
    agent.start()
    assert server.wait_until(lambda now: len(now.stored) >= 5)
    assert agent.stop() == 0
    assert len(list(agent.state.path.glob("spool.corrupt-*"))) == 1
    assert "spool_corrupt" in agent.log.read_text()


def test_frame_numbers_rise_also_over_a_lost_spool(server, agent):
    for stored in (3, 30):
        agent.start()
        assert server.wait_until(lambda now, least=stored: len(now.stored_of("frame")) >= least)
        assert agent.stop() == 0
        for file in agent.state.path.glob("spool.sqlite3*"):
            file.unlink()
    boots = [body["boot_counter"] for body in server.bodies("heartbeat")]
    assert sorted(set(boots)) == [1, 2]
    sequences = [record["data"]["seq"] for record in server.stored_of("frame")]
    assert len(sequences) == len(set(sequences))


def test_a_state_directory_takes_one_agent_only(server, agent):
    agent.start()
    assert server.wait_until(lambda now: now.bodies("heartbeat"))
    second = subprocess.run(
        [sys.executable, "-m", "streamswarm_agent", "run", "--state-dir", str(agent.state.path)],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "another agent is using" in second.stderr
