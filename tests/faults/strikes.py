"""The faults that may befall an exposed site at any moment, and what follows without delay.

Each strikes, lasts as long as it lasts, and leaves everything started again; what was measured
meanwhile has to find its way by itself.
"""

import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import get_args

from apps.core.crash import CrashPoint as ServerCrashPoint
from streamswarm_agent.runtime.crash import CrashPoint as AgentCrashPoint
from tests.faults.exposed import FAR, ExposedHost, ExposedSite
from tests.faults.rounds import DatabaseKind
from tests.servers.waiting import wait_until

BOTH: tuple[DatabaseKind, ...] = ("sqlite", "postgresql")
CRASH_SECONDS = 120.0
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 2.0
SLOW_BITS_PER_SECOND = 8_000


@dataclass(frozen=True, slots=True)
class Fault:
    """`row` is the fault's number in the matrix; `share` how often it comes beside the others."""

    name: str
    row: int
    strike: Callable[[ExposedSite], None]
    databases: tuple[DatabaseKind, ...] = BOTH
    share: int = 4


def pause(shortest_seconds: float, longest_seconds: float) -> None:
    Event().wait(random.uniform(shortest_seconds, longest_seconds))  # noqa: S311 - a moment, no secret


def last_a_while() -> None:
    pause(SHORTEST_SECONDS, LONGEST_SECONDS)


def choose_host(site: ExposedSite) -> ExposedHost:
    return random.choice(list(site.hosts.values()))  # noqa: S311 - a victim, no secret


def kill_agent(site: ExposedSite) -> None:
    choose_host(site).restart()


def freeze_agent(site: ExposedSite) -> None:
    process = choose_host(site).agent.process
    process.send_signal(signal.SIGSTOP)
    last_a_while()
    process.send_signal(signal.SIGCONT)


def crash_agent(site: ExposedSite, *, point: str) -> None:
    """The agent dies at the point, in the middle of its work, and is started again."""
    host = choose_host(site)
    host.agent.stop(signal.SIGKILL)
    host.start(SWARM_AGENT_CRASH_AT=point)
    process = host.agent.process
    wait_until(lambda: process.poll() is not None, seconds=CRASH_SECONDS, what=f"death {point}")
    assert process.returncode == -signal.SIGKILL, host.agent.read_log()[-2000:]
    host.start()


def kill_child(site: ExposedSite, *, name: str) -> None:
    site.restart(name)


def freeze_child(site: ExposedSite, *, name: str) -> None:
    process = site.stack.children[name].process
    process.send_signal(signal.SIGSTOP)
    last_a_while()
    process.send_signal(signal.SIGCONT)


def crash_web(site: ExposedSite, *, point: str) -> None:
    site.crash_web_at(point, seconds=CRASH_SECONDS)


def kill_cluster(site: ExposedSite) -> None:
    site.cluster.kill9()
    site.cluster.start()


def freeze_cluster(site: ExposedSite) -> None:
    site.cluster.freeze()
    last_a_while()
    site.cluster.thaw()


def cut_sessions(site: ExposedSite) -> None:
    site.cluster.cut_sessions()


def lock_database(site: ExposedSite) -> None:
    """Another process keeps the one writer's place of a SQLite file for a while."""
    with closing(sqlite3.connect(site.database.file, timeout=CRASH_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        last_a_while()
        connection.rollback()


def reset_line(site: ExposedSite) -> None:
    site.line.reset()


def cut_line(site: ExposedSite) -> None:
    site.line.is_refusing = True
    site.line.reset()
    last_a_while()
    site.line.restore()


def freeze_line(site: ExposedSite) -> None:
    site.line.freeze()
    last_a_while()
    site.line.thaw()


def lose_answers(site: ExposedSite) -> None:
    site.line.is_losing_answers = True
    last_a_while()
    site.line.restore()


def slow_line(site: ExposedSite) -> None:
    site.line.bits_per_second = SLOW_BITS_PER_SECOND
    pause(LONGEST_SECONDS, 2 * LONGEST_SECONDS)
    site.line.restore()


def kill_agent_on_bad_line(site: ExposedSite) -> None:
    """The agent's batch was taken over, it never hears of that, and dies."""
    site.line.is_losing_answers = True
    last_a_while()
    site.hosts[FAR].restart()
    site.line.restore()


SQLITE: tuple[DatabaseKind, ...] = ("sqlite",)
POSTGRESQL: tuple[DatabaseKind, ...] = ("postgresql",)

FAULTS: tuple[Fault, ...] = (
    Fault("agent killed", 1, kill_agent, share=8),
    Fault("agent frozen", 1, freeze_agent),
    *(
        Fault(f"agent dies {point}", 1, partial(crash_agent, point=point), share=3)
        for point in get_args(AgentCrashPoint)
    ),
    Fault("web killed", 2, partial(kill_child, name="web")),
    Fault("web frozen", 7, partial(freeze_child, name="web")),
    *(
        Fault(f"web dies {point}", 2, partial(crash_web, point=point), share=1)
        for point in get_args(ServerCrashPoint)
    ),
    Fault("worker killed", 3, partial(kill_child, name="worker"), share=2),
    Fault("beat killed", 4, partial(kill_child, name="beat"), share=2),
    Fault("beat frozen", 4, partial(freeze_child, name="beat"), share=2),
    Fault("Redis killed, empty again", 5, partial(kill_child, name="redis"), share=6),
    Fault("Redis frozen", 5, partial(freeze_child, name="redis")),
    Fault("PostgreSQL killed", 6, kill_cluster, POSTGRESQL, share=8),
    Fault("PostgreSQL frozen", 6, freeze_cluster, POSTGRESQL, share=6),
    Fault("sessions cut", 6, cut_sessions, POSTGRESQL, share=6),
    Fault("SQLite's writer locked out", 6, lock_database, SQLITE, share=6),
    Fault("connections reset", 7, reset_line, share=6),
    Fault("line cut", 7, cut_line),
    Fault("line is a black hole", 7, freeze_line),
    Fault("line at 8 kbit/s", 7, slow_line),
    Fault("answers lost", 7, lose_answers, share=6),
    Fault("answers lost, agent killed", 7, kill_agent_on_bad_line),
)


# Of each kind one, for a quick look.
QUICK_FAULTS = frozenset(
    {
        *(f"web dies {point}" for point in get_args(ServerCrashPoint)),
        "answers lost, agent killed",
        "line is a black hole",
        "line at 8 kbit/s",
    }
)


def list_faults(site: ExposedSite) -> list[Fault]:
    """The faults that can befall this site."""
    return [fault for fault in FAULTS if site.kind in fault.databases]
