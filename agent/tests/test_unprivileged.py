"""The agent as an ordinary user, on a host that allows no ping: a namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
NOBODY = 65_534
SETUP = (
    'ip link set lo up && echo "1 0" > /proc/sys/net/ipv4/ping_group_range && exec "$@"',
    "setup",
)
DROP = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs",
)  # fmt: skip
SUPERUSER_ONLY = ("icmp_raw", "icmp_datagram", "packet_capture", "all_processes")


def explain_missing():
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux host can set this host up"
    programs = ("unshare", "setpriv", "ip")
    missing = [name for name in programs if shutil.which(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else ""


@pytest.fixture
def run_as_nobody():
    """A function that runs the agent and gives its exit code and JSON."""
    if reason := explain_missing():
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="unprivileged-"))
    os.chown(home, NOBODY, NOBODY)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "SWARM_AGENT_STATE_DIR": str(home / "state"),
    }
    base = ("unshare", "--net", "sh", "-c", *SETUP, *DROP, sys.executable)

    def run(*arguments):
        done = subprocess.run(
            (*base, "-m", "streamswarm_agent", *arguments),
            check=False, env=environment, cwd=home, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    probe = subprocess.run(
        (*base, "-c", "import streamswarm_agent"),
        check=False, env=environment, cwd=home, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if probe.returncode:
        shutil.rmtree(home)
        pytest.skip(f"another user cannot start the agent from here: {probe.stderr[-200:]}")
    yield run
    shutil.rmtree(home)


def test_check_names_each_capability_that_is_missing_and_the_command_that_grants_it(run_as_nobody):
    _, output, error = run_as_nobody("check", "--json")
    assert output, error
    checks = {one["subject"]: one for one in json.loads(output)["checks"]}
    for name in SUPERUSER_ONLY:
        missing = checks[name.replace("_", " ")]
        assert missing["mark"] == "no"
        assert missing["detail"]
        assert missing["enables"]
        assert missing["fallback"]
        assert missing["remedy"].startswith(("setcap cap_", "sysctl -w net.ipv4.ping_group_range"))
    for name in ("icmp raw", "icmp datagram"):
        assert checks[name]["fallback"] == "TCP connect; the method stands at each result"
    assert checks["tcp connect"]["mark"] == "ok"
    assert checks["kernel timestamps"]["mark"] == "ok"


def test_ping_falls_back_to_tcp_and_says_so_at_its_result(run_as_nobody):
    options = ("--param", "interval_seconds=0.05", "--duration", "1", "--json")
    code, output, error = run_as_nobody("test", "ping", "127.0.0.1", *options)
    assert code == 0, error
    outcome = json.loads(output)["outcome"]
    assert outcome["method"] == "tcp"
    assert outcome["values"]["net.packet.loss.ratio"] == 0
    assert 0 < outcome["values"]["net.rtt.median"] < 1
    assert outcome["absent"]["net.packet.duplicate.ratio"] == "N"


def test_ping_that_must_be_icmp_names_what_was_refused(run_as_nobody):
    options = ("--param", "method=icmp", "--duration", "1", "--json")
    code, _, error = run_as_nobody("test", "ping", "127.0.0.1", *options)
    assert code != 0
    assert "icmp_raw: " in error
    assert "icmp_datagram: " in error


def test_the_hosts_own_figures_are_measured_all_the_same(run_as_nobody):
    code, output, error = run_as_nobody("metrics", "--json")
    assert code == 0, error
    measured = {row["name"] for row in json.loads(output) if row["is_measured"]}
    assert {
        "system.cpu.utilization",
        "system.memory.utilization",
        "system.network.io",
        "system.network.neighbour.failed",
        "system.process.count",
    } <= measured
