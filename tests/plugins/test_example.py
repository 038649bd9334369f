"""The example of docs/plugins.md, installed with pip and run on a real server and agent."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "streamswarm-banner"
BROKEN_POINTS = "[streamswarm.contracts]\nbroken = streamswarm_broken:CONTRACT\n"


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory):
    """A folder with the example as pip installs it, and a package that cannot be imported."""
    folder = tmp_path_factory.mktemp("plugins")
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *install, str(source)], check=True)
    metadata = folder / "streamswarm_broken-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: streamswarm-broken\n")
    (metadata / "entry_points.txt").write_text(BROKEN_POINTS)
    return folder


@contextmanager
def serve_greeting(text):
    """The port of a server on loopback that greets everybody and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            while True:
                try:
                    peer, _address = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(text)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_test_of_the_plugins_kind_is_made_measured_and_shown(site_packages):
    settings = {"SWARM_HEARTBEAT_SECONDS": "2", "PYTHONPATH": str(site_packages)}
    with (
        serve_greeting(b"220 mail.example.org ready\r\n") as port,
        run_stack("sqlite", settings=settings, with_agent=True) as stack,
    ):
        user = become_admin(stack)
        clients = user.get("clients/")["results"]
        test = user.post(
            "tests/",
            {
                "name": "Greeting",
                "kind": "banner",
                "target": "127.0.0.1",
                "parameters": {"port": port},
                "duration_seconds": 2,
                "sample_interval_seconds": 1,
                "schedule_kind": "once",
                "clients": [clients[0]["id"]],
            },
        )

        def read_results():
            return user.get("results/", test=test["id"])["results"]

        wait_until(read_results, seconds=60, what="a result of the plug-in's test")
        (result,) = read_results()
        assert result["is_success"] is True, result["reason"]
        assert 0 < result["values"]["banner.greeting.duration"] < 1
        assert result["values"]["banner.availability.ratio"] == 1
        report = stack.run_python("-c", DOCTOR)
    assert "plug-in banner   streamswarm.contracts of streamswarm-banner 1.0.0" in report
    assert "plug-in broken" in report
    assert "No module named 'streamswarm_broken'" in report


# `manage.py doctor` may exit with 1 for other reasons of the machine the tests run on.
DOCTOR = (
    "import subprocess, sys\n"
    "print(subprocess.run([sys.executable, 'manage.py', 'doctor'],"
    " capture_output=True, text=True).stdout)"
)


def test_the_agent_measures_the_plugins_kind_without_a_server(site_packages, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(site_packages)}
    with serve_greeting(b"SSH-2.0-demo\r\n") as port:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "streamswarm_agent", "test", "banner", "127.0.0.1"),
                *("--param", f"port={port}", "--duration", "1", "--json"),
                *("--state-dir", str(tmp_path)),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    assert '"banner.greeting.duration"' in run.stdout
