"""A network between agent and server that is cut, slow, reset, a black hole: row 7 of the matrix.

The agent lives in a network namespace of its own, so that the kernel itself does to its packets
what networks do; the server stands outside, behind a forwarder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event

import pytest

from apps.operations.supervisor.child import Child
from tests.faults.oracle import Database, Verdict, compare
from tests.faults.rounds import SETTINGS
from tests.flows.agents import COMMAND, AgentHost, build_agent_environment
from tests.flows.api_user import become_admin
from tests.servers.stack import RunningChild, find_free_port, run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

COMMAND_SECONDS = 20
START_SECONDS = 120
WAIT_SECONDS = 120
CUT_SECONDS = 5
SHORT_SECONDS = 3
RUNS_MEANWHILE = 1
_places = count()
FORWARDER = Path(__file__).with_name("forwarder.py")
NOBODYS_CARD = "02:00:00:00:00:99"
SLOW_QUEUE = ("tbf", "rate", "8kbit", "burst", "1600", "latency", "2s")


def run(*argv: object) -> None:
    subprocess.run(
        [str(part) for part in argv],
        check=True,
        capture_output=True,
        timeout=COMMAND_SECONDS,
    )


def explain_missing() -> str:
    """Why no network can be made here; empty when one can."""
    if os.geteuid() != 0:
        return "only root can make a network namespace"
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"no {' and '.join(missing)} on this machine (Debian: apt-get install iproute2)"
    try:
        with open_network() as network:
            network.slow_down()
    except subprocess.CalledProcessError as error:
        return f"no network of its own can be made: {error.stderr.decode().strip()}"
    return ""


@dataclass(frozen=True, slots=True)
class Network:
    """A namespace and the one cable to it; both ends of the cable have an address."""

    namespace: str
    outside: str
    inside: str
    server_address: str
    agent_address: str

    @property
    def enter(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self) -> None:
        run("ip", "link", "set", self.outside, "down")

    def plug_in(self) -> None:
        run("ip", "link", "set", self.outside, "up")

    def slow_down(self) -> None:
        """8 kbit/s from the agent to the server."""
        run(*self.enter, "tc", "qdisc", "replace", "dev", self.inside, "root", *SLOW_QUEUE)

    def speed_up(self) -> None:
        run(*self.enter, "tc", "qdisc", "delete", "dev", self.inside, "root")

    def swallow(self) -> None:
        """What the agent sends goes to a card that nobody has; nothing says so."""
        card = ("lladdr", NOBODYS_CARD, "nud", "permanent", "dev", self.inside)
        run("ip", "-n", self.namespace, "neighbour", "replace", self.server_address, *card)

    def deliver(self) -> None:
        neighbour = ("neighbour", "delete", self.server_address, "dev", self.inside)
        run("ip", "-n", self.namespace, *neighbour)


@contextmanager
def open_network() -> Iterator[Network]:
    """The addresses are of RFC 2544's range, which nobody routes."""
    # The kernel takes a cable away some time after its namespace: no name comes twice.
    place = next(_places)
    number = f"{os.getpid()}-{place}"
    subnet = f"198.18.{(os.getpid() + place) % 256}"
    network = Network(
        f"swarm-cut-{number}", f"swo{number}", f"swi{number}", f"{subnet}.1", f"{subnet}.2"
    )
    name, outside, inside = network.namespace, network.outside, network.inside
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        run("ip", "address", "add", f"{network.server_address}/30", "dev", outside)
        run("ip", "link", "set", outside, "up")
        run("ip", "-n", name, "address", "add", f"{network.agent_address}/30", "dev", inside)
        for device in ("lo", inside):
            run("ip", "-n", name, "link", "set", device, "up")
        yield network
    finally:
        # The cable goes with its end.
        run("ip", "netns", "delete", name)


@dataclass(slots=True)
class FarHost(AgentHost):
    """A host in the namespace."""

    network: Network = field(kw_only=True)

    def start(self, environment=None) -> None:
        options = ("--state-dir", str(self.state_folder), "--ledger", str(self.ledger_file))
        child = Child(
            name="agent",
            argv=(*self.network.enter, *COMMAND, "run", *options),
            environment=build_agent_environment(**(environment or {})),
            folder=self.folder,
        )
        self.running = RunningChild(child, self.folder / "agent.log")
        self.running.start()


@dataclass(frozen=True, slots=True)
class Installation:
    network: Network
    forwarder: RunningChild
    host: FarHost
    database: Database

    def find_lost(self, ledger: list[str]) -> frozenset[str]:
        return compare(ledger, self.database.list_measurements(self.host.client_id)).lost

    def judge(self, measured: list[str]) -> Verdict:
        """The verdict on these lines of the ledger, whatever became of the others."""
        stored = self.database.list_measurements(self.host.client_id)
        others = set(self.host.read_ledger()).difference(measured)
        return compare(measured, [line for line in stored if line not in others])


def start_forwarder(folder: Path, network: Network, port: int, server_port: int) -> RunningChild:
    places = (network.server_address, str(port), str(server_port))
    child = Child(
        name="forwarder",
        argv=(sys.executable, str(FORWARDER), *places),
        environment={"PATH": os.environ["PATH"]},
        folder=folder,
    )
    forwarder = RunningChild(child, folder / "forwarder.log")
    forwarder.start()
    return forwarder


@pytest.fixture(scope="module")
def installation():
    reason = explain_missing()
    if reason:
        pytest.skip(reason)
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="swarm-hosts-")))
        network = cleanup.enter_context(open_network())
        settings = {**SETTINGS, "SWARM_ALLOWED_HOSTS": network.server_address}
        stack = cleanup.enter_context(run_stack("sqlite", settings=settings))
        port = find_free_port()
        forwarder = start_forwarder(folder, network, port, stack.site.port)
        cleanup.callback(forwarder.stop)
        admin = become_admin(stack)
        (folder / "host").mkdir()
        host = FarHost(folder / "host", network=network)
        enrolled = enrol(host, f"http://{network.server_address}:{port}", admin)
        assert enrolled, host
        admin.create_test("Far ping", host.client_id)
        host.start()
        cleanup.callback(host.end)
        running = Installation(network, forwarder, host, Database.of(stack.environment))
        wait_until(
            lambda: any(running.database.list_results()), seconds=START_SECONDS, what="a result"
        )
        yield running


def enrol(host: FarHost, url: str, admin) -> bool:
    return host.enrol(url, admin.issue_enrolment_token(), "far-host").returncode == 0


def cut(installation: Installation) -> None:
    installation.network.unplug()
    Event().wait(CUT_SECONDS)


def slow_down(installation: Installation) -> None:
    installation.network.slow_down()
    Event().wait(SHORT_SECONDS)


def reset(installation: Installation) -> None:
    """The forwarder dies with all its connections; those that are tried then are refused."""
    installation.forwarder.stop(9)
    Event().wait(SHORT_SECONDS)


def swallow(installation: Installation) -> None:
    installation.network.swallow()
    Event().wait(SHORT_SECONDS)


FAULTS: dict[str, tuple[Callable[[Installation], None], Callable[[Installation], None]]] = {
    "cable pulled out": (cut, lambda site: site.network.plug_in()),
    "8 kbit/s": (slow_down, lambda site: site.network.speed_up()),
    "forwarder killed": (reset, lambda site: site.forwarder.start()),
    "black hole": (swallow, lambda site: site.network.deliver()),
}


def wait_for_arrival(installation: Installation, ledger: list[str]) -> None:
    """Returns when all of it is stored, or when what is not will not come any more."""
    with suppress(TimeoutError):
        wait_until(lambda: not installation.find_lost(ledger), seconds=WAIT_SECONDS)


def count_runs(host: FarHost) -> int:
    return sum(line.startswith("result ") for line in host.read_ledger())


@pytest.mark.parametrize("fault", FAULTS)
def test_probes_go_on_and_all_they_measured_arrives_once(installation, fault, fault_journal):
    host = installation.host
    strike, end = FAULTS[fault]
    known = len(host.read_ledger())
    runs = count_runs(host)
    begun = time.monotonic()
    try:
        strike(installation)
        wait_until(
            lambda: count_runs(host) >= runs + RUNS_MEANWHILE,
            seconds=WAIT_SECONDS,
            what="a run that ends meanwhile",
        )
        measured = host.read_ledger()[known:]
        waiting = installation.find_lost(measured)
    finally:
        end(installation)
    wait_for_arrival(installation, measured)
    seconds = time.monotonic() - begun
    verdict = installation.judge(measured)
    fault_journal.record(7, f"in a namespace: {fault}", verdict, recovery_seconds=seconds)
    assert verdict.is_exactly_once, verdict
    assert waiting or fault == "8 kbit/s", "the fault held nothing back"


def test_in_the_end_the_database_holds_what_the_ledger_lists(installation):
    """Last of this file: the agent is asked to stop, and everything since the start is judged."""
    assert installation.host.stop() == 0
    verdict = installation.judge(installation.host.read_ledger())
    assert verdict.is_exactly_once, verdict
