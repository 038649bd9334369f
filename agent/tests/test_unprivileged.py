"""The agent as an ordinary user, on a host that allows no ping: a namespace of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
NOBODY = 65_534
SETUP = (
    'ip link set lo up && echo "1 0" > /proc/sys/net/ipv4/ping_group_range && exec "$@"',
    "setup",
)
BECOME_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
)  # fmt: skip
NO_RIGHTS = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
# What the service's unit grants, and nothing else.
RAW_SOCKETS = tuple(
    f"--{one}=-all,+net_raw" for one in ("inh-caps", "ambient-caps", "bounding-set")
)
SUPERUSER_ONLY = ("icmp_raw", "icmp_datagram", "packet_capture", "all_processes")


def explain_missing():
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root of a Linux host can set this host up"
    programs = ("unshare", "setpriv", "ip")
    missing = [name for name in programs if shutil.which(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else ""


@pytest.fixture
def run_with():
    """A function that runs the agent with these rights and gives its exit code and output."""
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

    def run_python(rights, *arguments):
        host = ("unshare", "--net", "sh", "-c", *SETUP, *BECOME_NOBODY, *rights)
        return subprocess.run(
            (*host, sys.executable, *arguments),
            check=False, env=environment, cwd=home, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    def run(rights, *arguments):
        done = run_python(rights, "-m", "streamswarm_agent", *arguments)
        return done.returncode, done.stdout, done.stderr

    probe = run_python(NO_RIGHTS, "-c", "import streamswarm_agent")
    if probe.returncode:
        shutil.rmtree(home)
        pytest.skip(f"another user cannot start the agent from here: {probe.stderr[-200:]}")
    yield run
    shutil.rmtree(home)


@pytest.fixture
def run_as_nobody(run_with):
    return partial(run_with, NO_RIGHTS)


@pytest.fixture
def run_as_service(run_with):
    return partial(run_with, RAW_SOCKETS)


def read_checks(output):
    return {one["subject"]: one for one in json.loads(output)["checks"]}


def test_check_names_each_capability_that_is_missing_and_the_command_that_grants_it(run_as_nobody):
    _, output, error = run_as_nobody("check", "--json")
    assert output, error
    checks = read_checks(output)
    for name in SUPERUSER_ONLY:
        missing = checks[name.replace("_", " ")]
        assert missing["mark"] == "no"
        assert missing["detail"]
        assert missing["enables"]
        assert missing["fallback"]
        assert missing["remedy"].startswith(("setcap cap_", "sysctl -w net.ipv4.ping_group_range"))
    for name in ("icmp raw", "icmp datagram"):
        assert checks[name]["fallback"].startswith("UDP or TCP for ping, UDP for traces")
    assert checks["tcp connect"]["mark"] == "ok"
    assert checks["kernel timestamps"]["mark"] == "ok"


def test_the_table_for_people_has_each_command_whole_and_one_for_each_program(run_as_nobody):
    _, output, error = run_as_nobody("check")
    assert output, error
    lines = [line.strip() for line in output.splitlines()]
    (grant,) = [line for line in lines if line.startswith("setcap cap_dac_read_search")]
    assert grant.startswith("setcap cap_dac_read_search,cap_net_raw,cap_sys_ptrace+ep /")
    assert lines[lines.index(grant) - 1] == "all processes, icmp raw, packet capture"
    assert 'sysctl -w net.ipv4.ping_group_range="0 2147483647"' in lines
    assert "privacy" not in output


def test_ping_falls_back_to_udp_and_says_so_at_its_result(run_as_nobody):
    options = ("--param", "interval_seconds=0.05", "--duration", "1", "--json")
    code, output, error = run_as_nobody("test", "ping", "127.0.0.1", *options)
    assert code == 0, error
    outcome = json.loads(output)["outcome"]
    assert outcome["method"] == "udp"
    assert outcome["values"]["net.rtt.udp"] == outcome["values"]["net.rtt.median"]
    assert outcome["values"]["net.packet.loss.ratio"] == 0
    assert 0 < outcome["values"]["net.rtt.median"] < 1
    assert outcome["absent"]["net.packet.duplicate.ratio"] == "N"


@pytest.mark.parametrize(("kind", "metric"), [("trace", "path.hop.count"), ("mtu", "path.mtu")])
def test_traces_and_path_mtus_are_measured_by_udp(run_as_nobody, kind, metric):
    code, output, error = run_as_nobody("test", kind, "127.0.0.1", "--duration", "2", "--json")
    assert code == 0, error
    outcome = json.loads(output)["outcome"]
    assert outcome["is_success"]
    assert outcome["method"] == "udp"
    assert metric in outcome["values"]


def test_raw_sockets_alone_serve_where_the_host_allows_no_ping(run_as_service):
    _, output, error = run_as_service("check", "--json")
    assert output, error
    checks = read_checks(output)
    marks = {name.replace("_", " "): checks[name.replace("_", " ")] for name in SUPERUSER_ONLY}
    assert [name for name, one in marks.items() if one["mark"] == "no"] == [
        "icmp datagram",
        "all processes",
    ]
    assert checks["icmp datagram"]["fallback"].startswith("a raw ICMP socket;")
    for kind in ("ping", "mtu"):
        code, output, error = run_as_service("test", kind, "127.0.0.1", "--duration=1", "--json")
        assert code == 0, error
        assert json.loads(output)["outcome"]["method"] == "icmp_raw"


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
