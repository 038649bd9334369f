"""A network namespace with a faulty path in it, and the real agent measuring through it."""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from tests.lab.responder import Entry, Impairment

ROOT = Path(__file__).resolve().parents[2]
RESPONDER = Path(__file__).with_name("responder.py")
DEVICE = "lab0"
NEAR_ADDRESS, FAR_ADDRESS = "198.51.100.1", "198.51.100.2"
COMMAND_SECONDS = 10
AGENT_START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Truth:
    """The ledger of a run, and what follows from it for a prober."""

    entries: Sequence[Entry]

    @property
    def unanswered(self):
        """Of each probe in sending order, whether no sound reply went back (RFC 2680)."""
        return [entry.copies == 0 or entry.is_corrupt for entry in self.entries]

    @property
    def loss_periods(self):
        return [len(list(run)) for is_lost, run in groupby(self.unanswered) if is_lost]

    @property
    def reply_count(self):
        return sum(entry.copies for entry in self.entries)

    @property
    def corrupt_count(self):
        return sum(entry.copies for entry in self.entries if entry.is_corrupt)

    @property
    def duplicate_count(self):
        sound = [entry for entry in self.entries if not entry.is_corrupt]
        return sum(entry.copies - 1 for entry in sound if entry.copies)

    @property
    def median_held_seconds(self):
        sound = [entry for entry in self.entries if not entry.is_corrupt]
        return statistics.median(entry.held_seconds for entry in sound if entry.held_seconds)


def explain_missing():
    """Why the laboratory cannot be set up here; empty when it can."""
    if os.geteuid() != 0:
        return "the laboratory needs root to make a network namespace"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "the laboratory needs /dev/net/tun"
    if shutil.which("ip") is None:
        return "the laboratory needs the command ip (iproute2)"
    made = subprocess.run(
        ["ip", "netns", "add", name_namespace()], capture_output=True, text=True, check=False
    )
    if made.returncode:
        return f"the laboratory may not make a network namespace: {made.stderr.strip()}"
    run("ip", "netns", "delete", name_namespace())
    return ""


def name_namespace():
    return f"swarm-lab-{os.getpid()}"


def run(*argv, timeout=COMMAND_SECONDS, **options):
    finished = subprocess.run(
        argv, check=True, capture_output=True, text=True, timeout=timeout, **options
    )
    return finished.stdout


class Laboratory:
    """One namespace; each experiment has a path of its own in it."""

    def __init__(self, namespace, state_dir):
        self._inside = ("ip", "netns", "exec", namespace)
        self._state_dir = state_dir

    def ping(self, impairment=None, *, duration_seconds, **parameters):
        """The agent's outcome values for a run over such a path, and the truth about it."""
        with self._open_path(impairment or Impairment()) as responder:
            values = self._measure(duration_seconds, parameters)
            responder.terminate()
            ledger, _ = responder.communicate(timeout=COMMAND_SECONDS)
        return values, Truth([Entry(**entry) for entry in json.loads(ledger)])

    @contextmanager
    def _open_path(self, impairment):
        settings = json.dumps(asdict(impairment))
        argv = [*self._inside, sys.executable, str(RESPONDER), DEVICE, settings]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as responder:
            try:
                assert responder.stdout.readline() == "ready\n", "the responder did not start"
                run(*self._inside, "ip", "address", "add", f"{NEAR_ADDRESS}/24", "dev", DEVICE)
                run(*self._inside, "ip", "link", "set", DEVICE, "up")
                yield responder
            finally:
                responder.kill()

    def _measure(self, duration_seconds, parameters):
        options = [f"--param={name}={value}" for name, value in parameters.items()]
        command = ["test", "ping", FAR_ADDRESS, "--json", f"--duration={duration_seconds}"]
        printed = run(
            *self._inside, sys.executable, "-m", "streamswarm_agent", *command, *options,
            f"--state-dir={self._state_dir}",
            env={**os.environ, "PYTHONPATH": str(ROOT / "agent" / "src")},
            timeout=duration_seconds + AGENT_START_SECONDS,
        )  # fmt: skip
        return json.loads(printed)["outcome"]["values"]


@contextmanager
def open_laboratory(state_dir):
    namespace = name_namespace()
    run("ip", "netns", "add", namespace)
    try:
        yield Laboratory(namespace, state_dir)
    finally:
        run("ip", "netns", "delete", namespace)
