import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from streamswarm_agent.errors import StateUnusable
from streamswarm_agent.spool.ledger import Ledger
from streamswarm_agent.spool.state import Identity, StateDirectory, find_state_directory
from streamswarm_agent.wire.records import Record

IDENTITY = Identity("https://swarm.example.org", "client-1", "edge-1", "secret.key")


@pytest.fixture
def state(tmp_path):
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    return directory


def test_the_state_directory_follows_option_then_environment_then_user(monkeypatch):
    environment = {"SWARM_AGENT_STATE_DIR": "/env"}
    assert find_state_directory("/option", environment, is_root=True) == Path("/option")
    assert find_state_directory(None, environment, is_root=True) == Path("/env")
    assert find_state_directory(None, {}, is_root=True) == Path("/var/lib/streamswarm-agent")
    monkeypatch.setenv("HOME", "/home/me")
    found = find_state_directory(None, {}, is_root=False)
    assert found == Path("/home/me/.local/state/streamswarm-agent")


def test_the_identity_is_kept_for_its_owner_only_and_its_key_is_never_shown(state):
    state.write_identity(IDENTITY)
    assert state.read_identity() == IDENTITY
    assert stat.S_IMODE((state.path / "agent.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
    assert "secret" not in repr(IDENTITY)


def test_an_agent_that_is_not_enrolled_has_no_identity(state):
    assert state.read_identity() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"server_url": "x"}'])
def test_an_identity_that_is_not_understood_is_named(state, text):
    (state.path / "agent.json").write_text(text)
    with pytest.raises(StateUnusable, match=r"agent\.json"):
        state.read_identity()


def test_boot_counters_rise_also_when_the_spool_was_lost(state):
    assert [state.raise_boot_counter(1) for _ in range(3)] == [1, 2, 3]
    assert state.raise_boot_counter(10) == 10
    assert state.raise_boot_counter(1) == 11


def test_a_directory_that_cannot_be_made_is_refused_with_advice(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match="--state-dir"):
        StateDirectory(tmp_path / "file" / "state").create()


def test_a_file_that_cannot_be_written_is_named(state, tmp_path):
    with pytest.raises(StateUnusable, match=r"nowhere/agent\.json: No such file"):
        StateDirectory(tmp_path / "nowhere").write_identity(IDENTITY)
    with pytest.raises(StateUnusable, match="ledger"):
        Ledger(tmp_path / "nowhere" / "ledger")


def test_a_second_agent_is_refused_and_a_dead_one_leaves_no_lock(state):
    hold = (
        "import sys, pathlib; from streamswarm_agent.spool.state import StateDirectory\n"
        "with StateDirectory(pathlib.Path(sys.argv[1])).hold_lock():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", hold, str(state.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(StateUnusable, match="another agent"), state.hold_lock():
        pass
    child.kill()
    child.communicate()
    with state.hold_lock():
        pass


def test_the_ledger_lists_each_measurement_once_also_across_restarts(tmp_path):
    path = tmp_path / "ledger"
    source = {"kind": "filesystem", "subject": "/mnt/my disk"}
    records = [
        Record("frame", "T1", json.dumps({"source": source, "seq": 7})),
        Record("frame", "T2", json.dumps({"source": {"kind": "host", "subject": ""}, "seq": 8})),
        Record("result", "T3", json.dumps({"run": "run-1"})),
        Record("inventory", "T4", "{}"),
    ]
    for _ in range(2):
        ledger = Ledger(path)
        ledger.append(records)
        ledger.append(records)
        ledger.close()
    assert path.read_text().splitlines() == [
        "frame filesystem /mnt/my%20disk 7 T1",
        "frame host - 8 T2",
        "result run-1",
    ]
