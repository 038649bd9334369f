"""A real agent in a process of its own, to be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from agent.tests.answering_server import KEY, read_example
from streamswarm_agent.spool.ledger import describe_measurement
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.wire.records import Record, encode_json

SOURCES = Path(__file__).parents[1] / "src"
ANCHOR_MS = 1_767_225_600_000


def make_quick_config():
    """Short intervals, so that a test sees in a second what takes a minute in the field."""
    names = ("host", "cpu", "interface", "filesystem", "disk", "agent")
    return read_example("config_answer") | {
        "heartbeat_seconds": 0.5,
        "lease_seconds": 0.3,
        "collectors": {name: {"interval_seconds": 0.3, "is_enabled": True} for name in names},
        "upload": {"stream_seconds": 0.1, "idle_seconds": 0.2},
    }


def make_tcp_assignment(port, **changes):
    """A test that connects to the answering server itself: no root, no network."""
    return read_example("leases_answer")["assignments"][0] | {
        "kind": "tcp",
        "target": "127.0.0.1",
        "parameters": {"port": port, "interval_seconds": 0.1},
        "schedule": {
            "kind": "continuous",
            "revision": 1,
            "anchor_ms": ANCHOR_MS,
            "every_ms": 1000,
            "slip_ms": 0,
        },
        "duration_seconds": 1,
        "sample_interval_seconds": 0.25,
        **changes,
    }


def list_measurements(records):
    """The ledger's lines for records as the server stores them."""
    lines = [
        describe_measurement(Record(item["kind"], item["at"], encode_json(item["data"])))
        for item in records
    ]
    return {line for line in lines if line is not None}


class AgentProcess:
    def __init__(self, server_url, directory):
        self.state = StateDirectory(directory / "state")
        self.state.create()
        self.state.write_identity(Identity(server_url, "client", "edge", KEY))
        self.ledger = directory / "ledger"
        self.log = directory / "log"
        self.command = [sys.executable, "-m", "streamswarm_agent", "run"]
        self.process = None

    def start(self, **environment):
        options = ["--state-dir", str(self.state.path), "--ledger", str(self.ledger)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *options],
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(SOURCES)} | environment,
            )

    def stop(self, number=signal.SIGTERM):
        """The exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(timeout=15)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)

    def read_ledger(self):
        lines = self.ledger.read_text().splitlines()
        assert len(lines) == len(set(lines))
        return set(lines)

    def read_spool(self):
        spool = Spool(self.state.spool_path)
        records = list(spool.list_all())
        spool.close()
        return records
