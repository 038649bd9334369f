"""An installation whose every part lies open to faults: processes, database and line.

Two hosts measure, one beside the server and one behind a line. Whatever is killed is started again
at once, as by a service manager.
"""

import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import httpx

from tests.faults.line import Line, run_line
from tests.faults.oracle import LONG_AGO, Database, Verdict, compare
from tests.faults.postgresql import KillableCluster, run_killable_cluster
from tests.faults.rounds import SETTINGS, DatabaseKind, create_tests
from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import ApiUser, become_admin
from tests.servers.stack import Stack, run_stack
from tests.servers.waiting import wait_until

READY_SECONDS = 120.0
READY_TIMEOUT_SECONDS = 5.0
FIRST_RESULT_SECONDS = 120.0
NEAR, FAR = "near-host", "far-host"


@dataclass(slots=True)
class ExposedHost:
    """A host with an agent; `environment` are variables with which it is started every time."""

    agent: AgentHost
    environment: Mapping[str, str] = field(default_factory=dict)
    first_line: int = 0

    def start(self, **extra: str) -> None:
        self.agent.start({**self.environment, **extra})

    def restart(self) -> None:
        """Kills the agent wherever it is and starts it again."""
        self.agent.stop(signal.SIGKILL)
        self.start()

    def set_mark(self) -> None:
        """What is measured from now on is what `read_new` gives."""
        self.first_line = len(self.agent.read_ledger())

    def read_new(self) -> list[str]:
        return self.agent.read_ledger()[self.first_line :]


@dataclass(slots=True)
class ExposedSite:
    kind: DatabaseKind
    stack: Stack
    admin: ApiUser
    line: Line
    hosts: dict[str, ExposedHost]
    cluster: KillableCluster | None
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database.of(self.stack.environment)

    def restart(self, name: str) -> None:
        """Kills a process of the server and starts it again; returns when its gate is open."""
        self.stack.kill9(name)
        self.stack.children[name].start()

    def crash_web_at(self, point: str, *, seconds: float) -> None:
        """The web server dies at the point of its intake, and is started again."""
        running = self.stack.children["web"]
        sound = running.child
        armed = {**sound.environment, "SWARM_CRASH_AT": point}
        running.stop(signal.SIGKILL)
        running.child = replace(sound, environment=armed, is_ready=None)
        try:
            running.start()
            wait_until(
                lambda: running.process.poll() is not None, seconds=seconds, what=f"death {point}"
            )
        finally:
            running.child = sound
        assert running.process.returncode == -signal.SIGKILL, running.read_log()[-2000:]
        running.start()

    def is_ready(self) -> bool:
        """Whether web server, database and Redis answer."""
        try:
            url = f"{self.stack.base_url}/readyz"
            answer = httpx.get(url, timeout=READY_TIMEOUT_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.is_success and answer.json()["status"] == "ready"

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, seconds=READY_SECONDS, what="the server's readiness")

    def set_marks(self) -> None:
        for host in self.hosts.values():
            host.set_mark()

    def read_new(self) -> dict[str, list[str]]:
        """What each host measured since its mark."""
        return {host.agent.client_id: host.read_new() for host in self.hosts.values()}

    def read_ledgers(self) -> dict[str, list[str]]:
        return {host.agent.client_id: host.agent.read_ledger() for host in self.hosts.values()}

    def judge(self, ledgers: Mapping[str, Sequence[str]], since: datetime = LONG_AGO) -> Verdict:
        """The verdict on these lines of all hosts together, measured since then."""
        measured = [f"{owner} {line}" for owner, lines in ledgers.items() for line in lines]
        stored = [
            f"{owner} {line}"
            for owner in ledgers
            for line in self.database.list_measurements(owner, since)
        ]
        return compare(measured, stored)

    def end_hosts(self) -> None:
        """Asks the agents to stop, which uploads what is left."""
        for host in self.hosts.values():
            host.agent.stop()


@contextmanager
def run_exposed_site(kind: DatabaseKind, *, with_beat: bool = True) -> Iterator[ExposedSite]:
    """An installation in full swing; `with_beat` runs worker and beat as well."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="swarm-hosts-")))
        cluster = cleanup.enter_context(run_killable_cluster()) if kind == "postgresql" else None
        stack = cleanup.enter_context(
            run_stack(
                kind,
                postgresql=cluster and cluster.cluster,
                settings=SETTINGS,
                with_worker=with_beat,
                with_beat=with_beat,
            )
        )
        line = cleanup.enter_context(run_line(stack.site.port))
        admin = become_admin(stack)
        hosts = {
            name: enrol(folder / name, url, admin)
            for name, url in ((NEAR, stack.base_url), (FAR, line.url))
        }
        for host in hosts.values():
            cleanup.callback(host.agent.end)
        create_tests(admin, *(host.agent for host in hosts.values()), server=stack)
        for host in hosts.values():
            host.start()
        site = ExposedSite(kind, stack, admin, line, hosts, cluster)
        wait_for_first_results(site)
        yield site


def enrol(folder: Path, url: str, admin: ApiUser) -> ExposedHost:
    return ExposedHost(enrol_host(folder, url, admin.issue_enrolment_token(), folder.name))


def wait_for_first_results(site: ExposedSite) -> None:
    wanted = {host.agent.client_id for host in site.hosts.values()}
    wait_until(
        lambda: {owner for owner, _run in site.database.list_results()} == wanted,
        seconds=FIRST_RESULT_SECONDS,
        what="a first result of every host",
    )
