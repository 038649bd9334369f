"""Rounds of kill -9 on a whole installation, each judged by the oracle.

`manage.py up` runs the server and restarts its own children. The measuring agent and PostgreSQL
stand beside it, as on hosts of their own, and are started again at once as by a service manager.
"""

import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx

from apps.operations.liveness import MARK_NAME
from apps.operations.supervisor.status import ChildState
from tests.faults.oracle import LONG_AGO, Database, Verdict, compare
from tests.faults.postgresql import KillableCluster, run_killable_cluster
from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import PASSWORD, ApiUser, become_admin
from tests.servers.embedded import Embedded, run_embedded
from tests.servers.postgresql import PREPARED
from tests.servers.stack import Stack
from tests.servers.waiting import POLL_SECONDS, wait_until

DatabaseKind = Literal["sqlite", "postgresql"]
Victim = Literal["agent", "web", "worker", "redis", "postgresql"]

VICTIMS: dict[DatabaseKind, tuple[Victim, ...]] = {
    "sqlite": ("agent", "web", "worker", "redis"),
    "postgresql": ("agent", "web", "postgresql"),
}
# Whose death stops scheduled work; a worker's mark, left every 10 s, shows that it flows again.
STOPS_SCHEDULED_WORK = frozenset({"worker", "redis", "postgresql"})
SETTINGS = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
# Short runs back to back, so that at any moment something is being measured, kept and sent.
TESTS = (
    ("Killed ping", "ping", "127.0.0.1", {"interval_seconds": 0.1}),
    ("Killed http", "http", "{url}/healthz", {"interval_seconds": 0.5}),
    ("Killed tcp", "tcp", "127.0.0.1", {"interval_seconds": 0.2}),
)
RUN_SECONDS = 3
SAMPLE_SECONDS = 1
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.5
RECOVERY_SECONDS = 120.0
QUIET_SECONDS = 120.0
READY_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Round:
    """One kill: what was measured around it, what became of that, and how long it took."""

    victim: Victim
    measured: int
    lost: int
    doubled: int
    recovery_seconds: float


@dataclass(frozen=True, slots=True)
class Installation:
    """A running server with an agent on a host of its own."""

    server: Embedded
    admin: ApiUser
    host: AgentHost
    database: Database
    cluster: KillableCluster | None

    def strike(self, victim: Victim) -> None:
        """Kills the victim; what no supervisor keeps is started again at once."""
        if victim == "agent":
            self.host.stop(signal.SIGKILL)
            self.host.start()
        elif victim == "postgresql":
            if self.cluster is None:
                raise ValueError("this installation has no PostgreSQL")
            self.cluster.kill9()
            self.cluster.start()
        else:
            self.server.kill9(victim)

    def is_up(self, *, except_process_ids: Sequence[int]) -> bool:
        """Whether every child runs again, none of them as one of these processes."""
        children = self.server.read_status().children
        return all(
            child.state == ChildState.RUNNING and child.process_id not in except_process_ids
            for child in children
        )

    def is_ready(self) -> bool:
        """Whether web server, database and Redis answer."""
        try:
            url = f"{self.server.base_url}/readyz"
            answer = httpx.get(url, timeout=READY_TIMEOUT_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.is_success and answer.json()["status"] == "ready"

    def has_worked_since(self, moment: datetime) -> bool:
        """Whether a scheduled task was done after the moment."""
        mark = self.server.var_dir / MARK_NAME
        return mark.exists() and mark.stat().st_mtime > moment.timestamp()

    def judge(self, ledger: Sequence[str], since: datetime = LONG_AGO) -> Verdict:
        """The verdict on these lines of the ledger, measured since then."""
        stored = self.database.list_measurements(self.host.client_id, since)
        return compare(ledger, stored)


@contextmanager
def run_installation(kind: DatabaseKind) -> Iterator[Installation]:
    """An installation in full swing; it is ended without asking anybody to clean up."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-hosts-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = None
        if kind == "postgresql":
            cluster = cleanup.enter_context(run_killable_cluster())
        server = cleanup.enter_context(
            run_embedded(
                database_url=cluster.cluster.create_database(PREPARED) if cluster else "",
                admin_password=PASSWORD,
                settings=SETTINGS,
            )
        )
        admin = become_admin(server)
        host = enrol_host(
            folder / "host", server.base_url, admin.issue_enrolment_token(), "killed-host"
        )
        cleanup.callback(host.end)
        create_tests(admin, host, server=server)
        database = Database.of(server.environment)
        host.start()
        wait_until(
            lambda: any(True for _ in database.list_results()),
            seconds=RECOVERY_SECONDS,
            what="a first result",
        )
        yield Installation(server, admin, host, database, cluster)


def create_tests(admin: ApiUser, *hosts: AgentHost, server: Embedded | Stack) -> None:
    """The same tests for all of these hosts, named after the first."""
    port = int(server.environment["SWARM_PORT"])
    for name, kind, target, parameters in TESTS:
        admin.create_test(
            f"{name} of {hosts[0].client_id[:8]}",
            *(host.client_id for host in hosts),
            kind=kind,
            target=target.format(url=server.base_url),
            parameters={**parameters, **({"port": port} if kind == "tcp" else {})},
            duration_seconds=RUN_SECONDS,
            sample_interval_seconds=SAMPLE_SECONDS,
        )


def run_rounds(installation: Installation, victims: Sequence[Victim], rounds: int) -> list[Round]:
    """Kills every victim so many times, each time all of them in another order."""
    return [
        run_round(installation, victim)
        for _ in range(rounds)
        for victim in random.sample(victims, len(victims))
    ]


def run_round(installation: Installation, victim: Victim) -> Round:
    """One kill at a random moment, and what had become of everything once all was well again."""
    begun_at = datetime.now(UTC)
    first_line = len(installation.host.read_ledger())
    pause_seconds = random.uniform(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)  # noqa: S311 - a moment, no secret
    threading.Event().wait(pause_seconds)
    process_ids = list_process_ids(installation, victim)
    killed_at, begin = datetime.now(UTC), time.monotonic()
    installation.strike(victim)
    wait_for_recovery(installation, victim, killed_at, process_ids)
    # A loaded host may have measured nothing yet, and then the round would prove nothing.
    wait_until(
        lambda: len(installation.host.read_ledger()) > first_line,
        seconds=RECOVERY_SECONDS,
        what="a measurement of the round",
    )
    # What was measured up to here must get through, whatever had to be sent again for it.
    ledger = installation.host.read_ledger()[first_line:]
    since = begun_at - timedelta(seconds=RUN_SECONDS)
    verdict = wait_for_verdict(
        lambda: installation.judge(ledger, since),
        lambda verdict: not verdict.lost,
        RECOVERY_SECONDS,
    )
    return Round(
        victim=victim,
        measured=verdict.measured,
        lost=len(verdict.lost),
        doubled=verdict.doubled,
        recovery_seconds=time.monotonic() - begin,
    )


def list_process_ids(installation: Installation, victim: Victim) -> list[int]:
    """The process that `manage.py up` is to replace; the agent that is killed is not its own."""
    if victim not in {"web", "worker", "redis"}:
        return []
    return [installation.server.find_process_id(victim)]


def wait_for_recovery(
    installation: Installation, victim: Victim, killed_at: datetime, process_ids: Sequence[int]
) -> None:
    """Returns when all children run, the server is ready and scheduled work flows.

    Raises: TimeoutError when that takes longer than two minutes.
    """

    def has_recovered() -> bool:
        return (
            installation.is_up(except_process_ids=process_ids)
            and (victim not in STOPS_SCHEDULED_WORK or installation.has_worked_since(killed_at))
            and installation.is_ready()
        )

    wait_until(has_recovered, seconds=RECOVERY_SECONDS, what=f"recovery from a killed {victim}")


def settle(installation: Installation) -> Verdict:
    """The verdict on all that was ever measured, after the agent's clean end."""
    installation.host.stop()
    ledger = installation.host.read_ledger()
    return wait_for_verdict(
        lambda: installation.judge(ledger), lambda verdict: verdict.is_exactly_once, QUIET_SECONDS
    )


def wait_for_verdict(
    judge: Callable[[], Verdict],
    is_good: Callable[[Verdict], bool],
    seconds: float,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> Verdict:
    """The first good verdict; without one in time the last, which is then the finding."""
    verdicts = [judge()]

    def is_last_good() -> bool:
        verdicts[:] = [judge()]
        return is_good(verdicts[0])

    with suppress(TimeoutError):
        wait_until(is_last_good, seconds=seconds, what="a good verdict", poll_seconds=poll_seconds)
    return verdicts[0]
