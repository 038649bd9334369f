"""`manage.py up` as people use it: real programs, real signals."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import psutil
import pytest

from tests.servers.embedded import ROOT, run_embedded
from tests.servers.waiting import is_process_alive, wait_until

CHILDREN = ["redis", "web", "worker", "beat", "agent"]
RECOVERY_SECONDS = 60
HANG_SECONDS = 240
SOUND_SECONDS = 70


@pytest.fixture(scope="module")
def embedded():
    with run_embedded(makes_tables=True) as server:
        yield server


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def start_another(environment, **changes):
    return subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env={**environment, **changes},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_everything_runs_and_the_screen_says_where(embedded):
    assert answers(f"{embedded.base_url}/readyz")
    assert [child.name for child in embedded.read_status().children] == CHILDREN
    assert f"StreamSwarm is ready at {embedded.base_url}/" in embedded.read_screen()


def test_the_setup_code_is_on_the_screen_and_in_no_file(embedded):
    code = re.search(r"one-time setup code (\S+)", embedded.read_screen())[1]
    assert f"{embedded.base_url}/setup/" in embedded.read_screen()
    files = [path for path in embedded.var_dir.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if code.encode() in path.read_bytes()]


def test_only_the_owner_can_read_what_is_kept(embedded):
    files = [path for path in embedded.var_dir.rglob("*") if path.is_file()]
    assert stat.S_IMODE(embedded.var_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in files} == {0}


def test_redis_listens_on_no_port(embedded):
    process = psutil.Process(embedded.find_process_id("redis"))
    kinds = {connection.family for connection in process.net_connections(kind="all")}
    assert kinds == {socket.AF_UNIX}


def test_the_agent_knows_nothing_of_the_servers_secrets(embedded):
    names = psutil.Process(embedded.find_process_id("agent")).environ()
    assert names
    assert not [name for name in names if name.startswith(("SWARM_", "DATABASE", "REDIS"))]


def test_a_second_start_is_refused_clearly(embedded):
    result = start_another(embedded.environment)
    assert result.returncode == 1
    assert f"already running with the folder {embedded.var_dir}" in result.stderr
    assert str(embedded.process.pid) in result.stderr


def test_a_port_in_use_is_said_before_anything_starts(embedded, tmp_path):
    result = start_another(embedded.environment, SWARM_VAR_DIR=str(tmp_path / "var"))
    assert result.returncode == 1
    port = embedded.environment["SWARM_PORT"]
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in result.stderr
    assert "starting" not in result.stdout


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_comes_back_by_itself(embedded, name):
    before = embedded.find_process_id(name)
    embedded.kill9(name)
    wait_until(lambda: embedded.find_process_id(name) != before, seconds=RECOVERY_SECONDS)
    child = next(child for child in embedded.read_status().children if child.name == name)
    assert child.restart_count >= 1
    assert child.last_exit == "signal SIGKILL"
    wait_until(lambda: answers(f"{embedded.base_url}/readyz"), seconds=RECOVERY_SECONDS)


@pytest.mark.slow
def test_ctrl_c_stops_all_in_time_and_the_agent_stays_the_same_client():
    with run_embedded(admin_password="correct horse battery staple") as server:
        assert "setup code" not in server.read_screen()
        identity = json.loads((server.var_dir / "agent" / "agent.json").read_text())
        process_ids = server.list_process_ids()
        assert len(process_ids) == len(CHILDREN)
        assert server.stop(signal.SIGINT, seconds=10) == 0
        assert not [process_id for process_id in process_ids if is_process_alive(process_id)]
        server.start()
        assert json.loads((server.var_dir / "agent" / "agent.json").read_text()) == identity
        assert server.read_screen().count("enrolled at") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tie exists on Linux only")
def test_nothing_survives_a_killed_supervisor():
    with run_embedded() as server:
        process_ids = server.list_process_ids()
        server.process.kill()
        server.process.wait()
        wait_until(
            lambda: not any(map(is_process_alive, process_ids)), seconds=10, what="their end"
        )
        assert not server.read_status().is_running
        with socket.create_server(("127.0.0.1", int(server.environment["SWARM_PORT"]))):
            pass


@pytest.mark.slow
@pytest.mark.repeats
def test_children_that_hang_are_killed_and_replaced(embedded):
    """Frozen, each lives and does nothing; nobody but the supervisor can tell."""
    names = ["web", "worker", "beat"]
    before = {name: embedded.find_process_id(name) for name in names}
    for process_id in before.values():
        os.kill(process_id, signal.SIGSTOP)
    for name in names:
        wait_until(
            lambda name=name: embedded.find_process_id(name) != before[name],
            seconds=HANG_SECONDS,
            what=f"another {name}",
        )
        assert f"{name} lives but does not work, and is killed" in embedded.read_screen()
    wait_until(lambda: answers(f"{embedded.base_url}/readyz"), seconds=RECOVERY_SECONDS)


@pytest.mark.slow
@pytest.mark.repeats
def test_a_sound_server_is_let_be(embedded):
    """For longer than any child may hang."""
    before = [child.restart_count for child in embedded.read_status().children]
    words = embedded.read_screen().count("lives but does not work")
    threading.Event().wait(SOUND_SECONDS)
    assert [child.restart_count for child in embedded.read_status().children] == before
    assert embedded.read_screen().count("lives but does not work") == words
