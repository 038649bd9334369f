"""kill -9 of web server and database under load, so that every kill hits uploads on their way.

The simulated clients write down what the server said it stored, and nothing else: what is in that
ledger was acknowledged.
"""

import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from tests.faults.oracle import Database
from tests.faults.postgresql import KillableCluster, run_killable_cluster
from tests.faults.rounds import DatabaseKind
from tests.flows.api_user import become_admin
from tests.flows.simulation import Simulation, simulate
from tests.servers.stack import Stack, run_stack
from tests.servers.waiting import wait_until

STRUCK_UNDER_LOAD: dict[DatabaseKind, tuple[str, ...]] = {
    "sqlite": ("web",),
    "postgresql": ("web", "postgresql"),
}
CLIENTS = 20
FRAMES_PER_SECOND = 4
SECONDS_OF_A_ROUND = 3.0
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 1.5
START_SECONDS = 120.0

READY_TIMEOUT_SECONDS = 5.0

Strike = Callable[[], None]


@dataclass(frozen=True, slots=True)
class StruckLoad:
    """A simulation that went on through so many strikes, and the longest until all was ready."""

    simulation: Simulation
    strikes: int
    recovery_seconds: float


@contextmanager
def run_server(kind: DatabaseKind) -> Iterator[tuple[Stack, list[Strike]]]:
    """A server, and what can befall it: each strike kills and starts again."""
    with ExitStack() as cleanup:
        if kind == "sqlite":
            stack = cleanup.enter_context(run_stack(kind))
            yield stack, [partial(strike_web, stack)]
            return
        cluster = cleanup.enter_context(run_killable_cluster())
        stack = cleanup.enter_context(run_stack(kind, postgresql=cluster.cluster))
        yield stack, [partial(strike_web, stack), partial(strike_cluster, cluster)]


def strike_web(stack: Stack) -> None:
    stack.children["web"].process.send_signal(signal.SIGKILL)
    stack.restart("web")


def strike_cluster(cluster: KillableCluster) -> None:
    cluster.kill9()
    cluster.start()


def is_ready(stack: Stack) -> bool:
    """Whether web server, database and Redis answer."""
    try:
        url = f"{stack.base_url}/readyz"
        return httpx.get(url, timeout=READY_TIMEOUT_SECONDS, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def strike_at_random(stack: Stack, strikes: Sequence[Strike], rounds: int) -> list[float]:
    """The seconds from each strike until the server was ready again."""
    recoveries = []
    for _ in range(rounds):
        for strike in strikes:
            pause = random.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)  # noqa: S311 - a moment, no secret
            threading.Event().wait(pause)
            begin = time.monotonic()
            strike()
            wait_until(lambda: is_ready(stack), seconds=START_SECONDS, what="readiness")
            recoveries.append(time.monotonic() - begin)
    return recoveries


def strike_under_load(kind: DatabaseKind, rounds: int) -> StruckLoad:
    """What became of a simulation while everything was killed so many times."""
    with (
        run_server(kind) as (stack, strikes),
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(1) as pool,
    ):
        admin = become_admin(stack)
        running = pool.submit(
            simulate,
            stack,
            admin,
            Path(folder) / "ledger",
            clients=CLIENTS,
            rate_per_second=FRAMES_PER_SECOND,
            duration_seconds=rounds * len(strikes) * SECONDS_OF_A_ROUND,
        )
        database = Database.of(stack.environment)
        wait_until(
            lambda: any(True for _ in database.list_frames()) or running.done(),
            seconds=START_SECONDS,
            what="a first frame",
        )
        recoveries = strike_at_random(stack, strikes, rounds)
        return StruckLoad(running.result(), len(recoveries), max(recoveries))
