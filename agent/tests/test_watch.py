import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from rich.console import Console

from agent.tests.answering_server import KEY, read_example
from agent.tests.host_readings import AT, make_reading
from streamswarm_agent.cli.main import main
from streamswarm_agent.cli.screen import HISTORY_POINTS, History, Screen, draw_screen
from streamswarm_agent.cli.watch import look_at
from streamswarm_agent.collectors.base import CollectedFrame
from streamswarm_agent.spool.glance import (
    AgentGlance,
    LastResult,
    SpoolGlance,
    glance_at_agent,
    is_locked,
)
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.wire.records import Record, encode_json
from streamswarm_agent.wire.results import Finding, StartedRun, build_result

SOURCES = Path(__file__).parents[1] / "src"
PING, DNS = "0b6f1c1e-9a52-4c55-8f0d-6f1f6d1c2a01", "other"
ONE_AGO, TWO_AGO = "2026-01-31T11:59:00.000000Z", "2026-01-31T11:58:00.000000Z"
STARTED = StartedRun("run-1", PING, 1, 1, "2026-01-31T11:59:30.000000Z")


def make_glance(**changes):
    known = {
        "name": "edge-1",
        "server_url": "https://swarm.example.org",
        "is_running": True,
        "tests": {PING: "gateway ping"},
        "running": (STARTED,),
        "results": (
            LastResult(PING, ONE_AGO, "completed", True, "", {"net.rtt.median": 0.0123}),
            LastResult(DNS, ONE_AGO, "failed", None, "no \x1b[31mresolver", {}),
        ),
        "spool": SpoolGlance(12, 3400, {"frame": 11, "result": 1}, TWO_AGO, 3, 0),
    }
    return AgentGlance(**known | changes)


def render(screen, width=150, height=60):
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=width, height=height, file=nowhere)
        console.print(draw_screen(screen, width))
        return console.export_text()


def test_a_frame_shows_host_traffic_tests_and_spool():
    history = {"eth0": [0.0, 5.0, 10.0]}
    shown = render(Screen(make_reading(), make_glance(), history))
    for text in ("1 host", "2 traffic", "3 tests", "4 spool", "q quit", "p pause"):
        assert text in shown
    for text in ("core 3", "54.0 °C", "12.3 Mbit/s", "▁▅█", "97 %"):
        assert text in shown
    for text in ("edge-1 at https://swarm.example.org", "the agent runs, with 1 tests"):
        assert text in shown
    assert "▶ gateway ping  for 30 s" in shown
    assert "success" in shown
    assert "12.300 ms" in shown
    assert "12 records, 3.4 kB (11 frame, 1 result)" in shown
    assert "2 min ago" in shown
    assert "\x1b" not in shown


def test_panels_stand_beside_each_other_on_a_wide_terminal_only():
    screen = Screen(make_reading(), make_glance())
    wide = next(
        line for line in render(screen, 160).splitlines() if "1 host" in line and "╭" in line
    )
    assert "2 traffic" in wide
    narrow = [line for line in render(screen, 70).splitlines() if "╭" in line]
    assert len(narrow) == 4
    assert all(len(line) <= 70 for line in render(screen, 70).splitlines())


def test_keys_hide_panels_and_pause():
    screen = Screen(make_reading(), make_glance())
    hidden = screen.press("1").press("3")
    assert "1 host ─" not in render(hidden)
    assert "2 traffic ─" in render(hidden)
    assert "1 host ─" in render(hidden.press("1"))
    assert "PAUSED" in render(screen.press("p"))
    assert "PAUSED" not in render(screen.press("p").press("p"))
    assert screen.press("x") == screen
    assert screen.press("") == screen
    for key in "1234":
        screen = screen.press(key)
    assert "StreamSwarm agent" in render(screen)


def test_without_an_agent_the_host_is_shown_all_the_same(tmp_path):
    nothing = look_at(StateDirectory(tmp_path / "state"))
    assert "no agent is enrolled in" in nothing
    shown = render(Screen(make_reading(), nothing))
    assert "core 3" in shown
    assert "no agent is enrolled" in shown


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"is_running": False}, "the agent is not running: streamswarm-agent run"),
        ({"is_running": None}, "whether the agent runs is not told here"),
        ({"running": (), "results": ()}, "no test has ended here yet"),
        ({"spool": None}, "no spool yet"),
    ],
)
def test_what_an_agent_lacks_is_said(changes, text):
    assert text in render(Screen(make_reading(), make_glance(**changes)))


def test_the_history_is_bounded_and_forgets_interfaces_that_went():
    history = History()
    for second in range(HISTORY_POINTS + 5):
        history.add(make_reading(AT + second))
    rates = history.as_lists()
    assert rates["eth0"] == [12_301_000.0] * HISTORY_POINTS
    assert rates["lo"] == []
    bare = make_reading()
    history.add(type(bare)(AT, (CollectedFrame("interface", "wlan0", {}),)))
    assert set(history.as_lists()) == {"wlan0"}


@pytest.fixture
def state(tmp_path):
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    directory.write_identity(Identity("https://swarm.example.org", "client", "edge-1", KEY))
    return directory


def test_a_glance_tells_runs_results_and_spool_while_the_agent_works(state):
    state.write_json("leases.json", read_example("leases_answer"))
    with state.hold_lock():
        spool = Spool(state.spool_path)
        spool.begin_run(STARTED, latest_start_ms=1)
        ended = StartedRun("run-0", PING, 0, 1, "2026-01-31T11:58:30.000000Z")
        finding = Finding(
            "completed", is_success=True, values={"net.rtt.median": 0.01}, document={"x": 1}
        )
        for second in (10, 40):
            result = build_result(ended, finding, finished_at=f"2026-01-31T11:59:{second}.000000Z")
            spool.finish_run("run-0", result)
        spool.add([Record("frame", "2026-01-31T11:59:00.000000Z", "{}")])
        glance = glance_at_agent(state)
        assert glance.is_running is not False
        spool.close()
    assert glance.name == "edge-1"
    assert PING in glance.tests
    assert glance.running == (STARTED,)
    (last,) = glance.results
    assert (last.assignment_id, last.at) == (PING, "2026-01-31T11:59:40.000000Z")
    assert (last.is_success, last.values["net.rtt.median"]) == (True, 0.01)
    assert glance.spool.by_kind == {"frame": 1, "result": 2}
    assert (glance.spool.depth, glance.spool.dropped) == (3, 0)
    assert glance.spool.oldest_at == "2026-01-31T11:59:10.000000Z"


def test_a_result_that_was_sent_is_still_shown(state):
    spool = Spool(state.spool_path)
    result = build_result(STARTED, Finding("failed", "no route"), finished_at=STARTED.started_at)
    spool.finish_run("run-1", result)
    spool.add([Record("result", STARTED.started_at, encode_json({"odd": 1}))])
    spool._delete("id > ?", 0)
    spool.close()
    glance = glance_at_agent(state)
    assert [(one.outcome, one.reason) for one in glance.results] == [("failed", "no route")]
    assert glance.spool.depth == 0
    assert glance.spool.oldest_at is None


def test_a_lock_is_seen_in_the_kernels_list_without_taking_it(state, tmp_path):
    lock = state.path / "lock"
    assert is_locked(lock, tmp_path) is False
    lock.touch()
    assert is_locked(lock, tmp_path) is None
    found = lock.stat()
    name = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    (tmp_path / "locks").write_text(f"1: FLOCK  ADVISORY  WRITE 42 {name} 0 EOF\n")
    assert is_locked(lock, tmp_path) is True
    (tmp_path / "locks").write_text(f"1: POSIX  ADVISORY  WRITE 42 {name} 0 EOF\n")
    assert is_locked(lock, tmp_path) is False


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("agent.json", "{", "agent.json"),
        ("agent.json", "[]", "holds no JSON object"),
        ("spool.sqlite3", "no database at all, but a text that is long enough", "cannot be read"),
    ],
)
def test_a_damaged_state_is_a_sentence_not_a_crash(state, name, text, message):
    (state.path / name).write_text(text)
    sentence = look_at(state)
    assert message in sentence
    assert "run as" in sentence


def test_a_lease_that_is_not_understood_leaves_tests_without_names(state):
    state.write_json("leases.json", {"assignments": 5})
    assert glance_at_agent(state).tests == {}


def test_without_a_terminal_watch_says_what_to_do(tmp_path, capsys):
    assert main(["watch", "--state-dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "needs a terminal" in error
    assert "--once" in error


def test_one_frame_can_be_printed_as_text(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("streamswarm_agent.cli.readings.time.sleep", lambda _seconds: None)
    assert main(["watch", "--once", "--state-dir", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "core 0" in shown
    assert "no agent is enrolled" in shown
    assert "q quit" not in shown
    assert "\x1b" not in shown


class Watched:
    """`watch` in a terminal of its own."""

    def __init__(self, state_directory, columns=150, rows=45):
        self.leader, follower = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(follower)
        command = ["watch", "--interval", "1", "--state-dir", str(state_directory)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamswarm_agent", *command],
            stdin=follower,
            stdout=follower,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(SOURCES), "TERM": "xterm-256color"},
        )
        self.follower = follower
        self.shown = b""

    def resize(self, columns, rows):
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.leader, termios.TIOCSWINSZ, size)

    def press(self, key):
        os.write(self.leader, key.encode())

    def wait_for(self, text, seconds=20):
        self.wait_until(lambda frame: text in frame, seconds)

    def wait_until(self, is_fit, seconds=20):
        """Until the frame drawn last is as it should be."""
        deadline = time.monotonic() + seconds
        while not is_fit(self.text.rpartition("StreamSwarm agent")[2]):
            left = deadline - time.monotonic()
            assert left > 0, self.text[-2000:]
            if select.select([self.leader], [], [], left)[0]:
                self.shown += self._read()

    @property
    def text(self):
        """What was drawn, without the terminal's orders."""
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", self.shown)
        return plain.decode("utf-8", "replace")

    def forget(self):
        self.shown = b""

    def end(self):
        """The exit code, while what is still drawn is taken in."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            if select.select([self.leader], [], [], 0.05)[0]:
                self.shown += self._read()
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.leader)
        os.close(self.follower)

    def _read(self):
        try:
            return os.read(self.leader, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""


@pytest.fixture
def watched(tmp_path):
    terminal = Watched(tmp_path)
    yield terminal
    terminal.close()


def test_in_a_real_terminal_keys_and_sizes_are_obeyed_and_it_is_left_as_it_was(watched):
    watched.wait_for("2 traffic ─")
    assert b"\x1b[?1049h" in watched.shown
    watched.press("p")
    watched.wait_for("PAUSED")
    watched.forget()
    watched.press("\x1b[A")
    watched.press("p")
    watched.press("1")
    watched.wait_until(lambda frame: "2 traffic ─" in frame and "1 host ─" not in frame)
    watched.forget()
    watched.resize(60, 30)
    watched.process.send_signal(signal.SIGWINCH)
    watched.wait_for("╮")
    watched.press("q")
    assert watched.end() == 0
    assert b"\x1b[?1049l" in watched.shown
    assert termios.tcgetattr(watched.follower) == watched.before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_as_it_was_too(watched, number):
    watched.wait_for("2 traffic ─")
    watched.process.send_signal(number)
    assert watched.end() == 130
    assert b"\x1b[?1049l" in watched.shown
    assert termios.tcgetattr(watched.follower) == watched.before
