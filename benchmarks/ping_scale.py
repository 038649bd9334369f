"""A thousand targets, each pinged once a second by one process, beside fping doing the same.

Every target is an address of the loopback network, which answers at once: what is measured is the
prober. Runs begin spread over the first second, as the planner spreads them. Rounds of both take
turns, so that what else the machine does falls on both.

    python -m benchmarks.ping_scale [--targets 1000] [--seconds 30] [--rounds 2]
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring.report import Claim, finish_all, print_table
from streamswarm_agent.probes.base import IpVersion, ProbeRequest, Sample
from streamswarm_agent.probes.icmp import EchoEngine, EchoSession, EchoSettings
from streamswarm_agent.probes.icmp_socket import Method
from streamswarm_agent.probes.ping import PingProbe
from streamswarm_agent.runtime.clock import SystemClock
from streamswarm_agent.runtime.garbage import look_less_often
from streamswarm_agent.wire.kinds import complete_parameters

GOAL_CORES = 0.1
GOAL_TIMES_FPING = 2.0
SAMPLE_SECONDS = 5.0
TIMEOUT_SECONDS = 1
TARGETS_PER_NETWORK = 250


@dataclass(frozen=True, slots=True)
class Round:
    """What one prober did; round trips of all targets together, in milliseconds."""

    sent: int
    lost: int
    median_ms: float
    p99_ms: float
    cores: float


def list_targets(count: int) -> list[str]:
    return [
        f"127.1.{place // TARGETS_PER_NETWORK}.{place % TARGETS_PER_NETWORK + 1}"
        for place in range(count)
    ]


def judge(round_trips: Sequence[float | None], cpu_seconds: float, seconds: float) -> Round:
    answered = np.array([each for each in round_trips if each is not None]) * 1000
    return Round(
        sent=len(round_trips),
        lost=len(round_trips) - len(answered),
        median_ms=round(float(np.percentile(answered, 50)), 4),
        p99_ms=round(float(np.percentile(answered, 99)), 4),
        cores=round(cpu_seconds / seconds, 4),
    )


class NumericResolver:
    """Targets are addresses already."""

    async def resolve(self, host: str, ip_version: IpVersion = "any") -> str:
        del ip_version
        return host


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """A session whose answers are all kept."""

    session: EchoSession
    answers: "list[asyncio.Future[float | None]]"

    def send(self) -> "asyncio.Future[float | None]":
        answer = self.session.send()
        self.answers.append(answer)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


class WatchedEngine(EchoEngine):
    """The engine of the pings, with watched sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[asyncio.Future[float | None]] = []

    @contextmanager
    def session(self, settings: EchoSettings, method: Method) -> Iterator[Any]:
        with super().session(settings, method) as session:
            yield WatchedSession(session, self.answers)


async def drop(_sample: Sample) -> None:
    """Samples are made as in every run; nobody takes them here."""


async def ping_all(targets: Sequence[str], seconds: float) -> Round:
    engine = WatchedEngine()
    probe = PingProbe(SystemClock(), NumericResolver(), engine)
    wanted = {"interval_seconds": 1, "timeout_seconds": TIMEOUT_SECONDS, "method": "icmp"}
    parameters = complete_parameters("ping", wanted)

    async def ping(place: int, target: str) -> None:
        await asyncio.sleep(place / len(targets))
        await probe.run(ProbeRequest(target, parameters, seconds, SAMPLE_SECONDS), drop)

    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(ping(place, target) for place, target in enumerate(targets)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return judge([answer.result() for answer in engine.answers], cpu_seconds, seconds)


def run_ours(targets: Sequence[str], seconds: int) -> Round:
    """In a process of its own, as the agent is one."""
    argv = [sys.executable, "-m", "benchmarks.ping_scale", "--prober"]
    size = [f"--targets={len(targets)}", f"--seconds={seconds}"]
    printed = subprocess.run([*argv, *size], check=True, capture_output=True, text=True).stdout
    return Round(**json.loads(printed))


def run_fping(targets: Sequence[str], seconds: int) -> Round:
    with tempfile.TemporaryDirectory() as folder:
        names, said = Path(folder) / "targets", Path(folder) / "said"
        names.write_text("\n".join(targets))
        argv = ["fping", "-C", str(seconds), "-p", "1000", "-i", "1", "-t", "1000", "-q"]
        with said.open("w") as errors:
            prober = subprocess.Popen([*argv, "-f", str(names)], stderr=errors)
            _, _, usage = os.wait4(prober.pid, 0)
            prober.returncode = 0
        cells = [line.partition(" : ")[2].split() for line in said.read_text().splitlines()]
    round_trips = [None if cell == "-" else float(cell) / 1000 for row in cells for cell in row]
    return judge(round_trips, usage.ru_utime + usage.ru_stime, seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--prober", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    targets = list_targets(arguments.targets)
    if arguments.prober:
        look_less_often()
        print(json.dumps(asdict(asyncio.run(ping_all(targets, arguments.seconds)))))
        return
    has_fping = shutil.which("fping") is not None
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        ours.append(run_ours(targets, arguments.seconds))
        theirs += [run_fping(targets, arguments.seconds)] if has_fping else []
    rows = [("streamswarm", *asdict(one).values()) for one in ours]
    rows += [("fping", *asdict(one).values()) for one in theirs]
    print_table(["prober", "sent", "lost", "p50 ms", "p99 ms", "cores"], rows)
    report(ours, theirs)


def report(ours: Sequence[Round], theirs: Sequence[Round]) -> None:
    """Medians over the rounds; without fping there is nothing to be compared with."""
    cores = float(np.median([one.cores for one in ours]))
    p99_ms = float(np.median([one.p99_ms for one in ours]))
    lost = sum(one.lost for one in ours)
    claims = [
        Claim("1,000 targets at 1 Hz: processor", cores, "cores", GOAL_CORES, "lower"),
        Claim("1,000 targets at 1 Hz: lost on loopback", lost, "probes", 0, "lower"),
    ]
    if theirs:
        peer_ms = float(np.median([one.p99_ms for one in theirs]))
        beside = {
            "p99_ms": p99_ms,
            "fping_p99_ms": peer_ms,
            "fping_cores": float(np.median([one.cores for one in theirs])),
        }
        times = round(p99_ms / peer_ms, 3)
        name = "1,000 targets at 1 Hz: p99 beside fping"
        claims.append(Claim(name, times, "times", GOAL_TIMES_FPING, "lower", beside))
    finish_all(*claims)


if __name__ == "__main__":
    main()
