"""What an agent at rest costs: its memory, its share of a core, its wake-ups, what it sends.

One real agent with the collectors a fresh installation has, no test assigned, measures its host
for a server on the same machine; a relay in between counts the bytes. Beside it stands a Python
process that only sleeps. The first minute, in which the agent starts, does not count.

    python -m benchmarks.footprint [--minutes 5] [--server embedded|answering]

`answering` is the small server of the agent's own tests: no installation, no socket for nudges.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent.tests.agent_process import AgentProcess
from agent.tests.answering_server import AnsweringServer
from benchmarks.measuring.relay import Relay, run_relay
from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.flows.agents import COMMAND, build_agent_environment, enrol_host
from tests.flows.api_user import PASSWORD, become_admin
from tests.servers.embedded import run_embedded

GOAL_MEGABYTES = 50.0
GOAL_PERCENT = 1.0
SETTLING_SECONDS = 60.0
BYTES_PER_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one process took over a while."""

    rss_megabytes: float
    pss_megabytes: float
    cpu_percent: float
    wakeups_per_second: float
    threads: int


@dataclass(frozen=True, slots=True)
class Account:
    """What one process had used up at a moment."""

    at_seconds: float
    cpu_seconds: float
    wakeups: int


def read_account(process: psutil.Process) -> Account:
    """Processor seconds and voluntary context switches of all threads: each follows a wait."""
    times = process.cpu_times()
    statuses = Path(f"/proc/{process.pid}/task").glob("*/status")
    wakeups = sum(read_switches(path) for path in statuses)
    return Account(time.monotonic(), times.user + times.system, wakeups)


def read_switches(path: Path) -> int:
    for line in path.read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    return 0


def observe(process_ids: list[int], seconds: float) -> list[Footprint]:
    """The footprints of processes side by side."""
    processes = [psutil.Process(process_id) for process_id in process_ids]
    before = [read_account(process) for process in processes]
    highest_bytes = [0] * len(processes)
    while time.monotonic() - before[0].at_seconds < seconds:
        for place, process in enumerate(processes):
            highest_bytes[place] = max(highest_bytes[place], process.memory_info().rss)
        time.sleep(1)
    return [
        describe(process, earlier, size_bytes)
        for process, earlier, size_bytes in zip(processes, before, highest_bytes, strict=True)
    ]


def describe(process: psutil.Process, earlier: Account, highest_bytes: int) -> Footprint:
    later = read_account(process)
    elapsed_seconds = later.at_seconds - earlier.at_seconds
    return Footprint(
        rss_megabytes=round(highest_bytes / BYTES_PER_MEGABYTE, 1),
        pss_megabytes=round(process.memory_full_info().pss / BYTES_PER_MEGABYTE, 1),
        cpu_percent=round(100 * (later.cpu_seconds - earlier.cpu_seconds) / elapsed_seconds, 3),
        wakeups_per_second=round((later.wakeups - earlier.wakeups) / elapsed_seconds, 1),
        threads=process.num_threads(),
    )


@contextmanager
def run_agent(state_folder: Path) -> Iterator[int]:
    """The agent enrolled in the folder, started as a service would start it."""
    command = [*COMMAND, "run", "--state-dir", str(state_folder)]
    with (state_folder / "log").open("ab") as log:
        agent = subprocess.Popen(command, env=build_agent_environment(), stderr=log)
    try:
        yield agent.pid
    finally:
        agent.terminate()
        agent.wait()


@contextmanager
def run_beside_embedded(folder: Path) -> Iterator[tuple[int, Relay]]:
    """An agent of its own at an installation; it has nothing to test."""
    with ExitStack() as cleanup:
        server = cleanup.enter_context(run_embedded(admin_password=PASSWORD))
        port = int(server.base_url.rpartition(":")[2])
        relay = cleanup.enter_context(run_relay(port))
        token = become_admin(server).issue_enrolment_token()
        host = enrol_host(folder / "host", relay.url, token, "resting-host")
        yield cleanup.enter_context(run_agent(host.state_folder)), relay


@contextmanager
def run_beside_answering(folder: Path) -> Iterator[tuple[int, Relay]]:
    """An agent at the small server of its tests."""
    with ExitStack() as cleanup:
        server = AnsweringServer()
        cleanup.callback(server.close)
        relay = cleanup.enter_context(run_relay(int(server.url.rpartition(":")[2])))
        agent = AgentProcess(relay.url, folder)
        yield cleanup.enter_context(run_agent(agent.state.path)), relay


@contextmanager
def run_sleeper() -> Iterator[int]:
    """A Python process that does nothing."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
    try:
        yield sleeper.pid
    finally:
        sleeper.kill()
        sleeper.wait()


SERVERS = {"embedded": run_beside_embedded, "answering": run_beside_answering}


def main() -> None:
    parser = argparse.ArgumentParser(description="The footprint of an agent at rest.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--server", choices=sorted(SERVERS), default="embedded")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="swarm-footprint-") as folder,
        SERVERS[arguments.server](Path(folder)) as (process_id, relay),
        run_sleeper() as sleeper_id,
    ):
        time.sleep(SETTLING_SECONDS)
        sent_before = relay.tally.outward_bytes
        seconds = arguments.minutes * 60
        agent, sleeper = observe([process_id, sleeper_id], seconds)
        sent_per_minute = (relay.tally.outward_bytes - sent_before) / arguments.minutes
        connections = relay.tally.connections
    header = ("process", "RSS MB", "PSS MB", "CPU %", "wake-ups/s", "threads", "sent kB/min")
    rows = [(name, *row) for name, row in (("agent", figures(agent)), ("sleep", figures(sleeper)))]
    print_table(header, [(*rows[0], round(sent_per_minute / 1000, 1)), (*rows[1], "")])
    beside = {
        "sleeping_python_megabytes": sleeper.rss_megabytes,
        "pss_megabytes": agent.pss_megabytes,
        "seconds": seconds,
    }
    costs = {
        "sleeping_python_percent": sleeper.cpu_percent,
        "wakeups_per_second": agent.wakeups_per_second,
        "sent_bytes_per_minute": round(sent_per_minute),
        "connections": connections,
    }
    finish_all(
        Claim("most memory of an agent at rest", agent.rss_megabytes, "MB", GOAL_MEGABYTES, "lower",
              beside),
        Claim("share of a core of an agent at rest", agent.cpu_percent, "%", GOAL_PERCENT, "lower",
              costs),
    )  # fmt: skip


def figures(footprint: Footprint) -> tuple[object, ...]:
    return (
        footprint.rss_megabytes,
        footprint.pss_megabytes,
        footprint.cpu_percent,
        footprint.wakeups_per_second,
        footprint.threads,
    )


if __name__ == "__main__":
    main()
