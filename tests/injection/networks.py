"""The networks that faults are put into: a client, routers in a row, and a site at the end."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.path import SOURCE_FOLDER
from streamswarm_agent.laboratory.topology import SOURCE, TARGET, open_chain

PROJECT = Path(__file__).resolve().parents[2]
ENDING_SECONDS = 10
BYPASS = "198.18.50"


@dataclass(frozen=True, slots=True)
class Shape:
    """A chain of `hops` routers; the link that can be impaired; what it delays each way always.

    With a bypass, packets do not take that link until the route changes.
    """

    name: str
    hops: int
    faulty_link: int
    delay_seconds: float
    has_bypass: bool = False

    @property
    def is_local(self) -> bool:
        return self.faulty_link == 0


PATHS = (
    Shape("path-1", 2, 1, 0.004),
    Shape("path-2", 3, 2, 0.010),
    Shape("path-3", 3, 1, 0.015),
    Shape("path-4", 4, 3, 0.020),
    Shape("path-5", 1, 1, 0.002),
    Shape("path-6", 4, 2, 0.030),
)
LOCALS = (
    Shape("local-1", 1, 0, 0.0005),
    Shape("local-2", 2, 0, 0.001),
    Shape("local-3", 3, 0, 0.0003),
    Shape("local-4", 4, 0, 0.002),
)
ROUTES = (
    Shape("route-1", 3, 1, 0.006, has_bypass=True),
    Shape("route-2", 4, 1, 0.015, has_bypass=True),
    Shape("route-3", 4, 2, 0.025, has_bypass=True),
    Shape("route-4", 3, 2, 0.010, has_bypass=True),
)
SHAPES = {one.name: one for one in (*PATHS, *LOCALS, *ROUTES)}


class Program:
    """A Python module running in a namespace that answers lines by lines."""

    def __init__(self, host, module, *arguments):
        self.process = host.start(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": f"{PROJECT}:{SOURCE_FOLDER}"},
        )  # fmt: skip
        self.process.stdout.readline()

    def ask(self, question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        try:
            self.process.communicate(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@dataclass(frozen=True, slots=True)
class Network:
    shape: Shape
    topology: object
    site: Program
    prober: Program

    @property
    def target(self):
        return self.topology.target

    @property
    def gateway(self):
        return self.topology.paths[0][0]

    @property
    def other_target(self):
        """The second router, which the client watches as well; empty in the shortest chain."""
        return self.topology.paths[0][1] if self.shape.hops > 1 else ""

    def impair(self, forward=None, reverse=None):
        """Impair the link beside its delay, or leave it with that alone."""
        both = {"delay_seconds": self.shape.delay_seconds}
        self.topology.faults.set(
            forward=Impairment(**both | (forward or {})),
            reverse=Impairment(**both | (reverse or {})),
        )

    def behave(self, **behaviour):
        self.site.ask(behaviour)

    def measure(self, tests):
        return self.prober.ask(tests)

    def reset(self):
        self.impair()
        self.behave()
        if self.shape.has_bypass:
            self.take_bypass()

    def take_bypass(self):
        self._route(f"{BYPASS}.2", f"{BYPASS}.1")

    def leave_bypass(self):
        onwards, back = self.topology.paths[0][1], f"198.18.{self.shape.hops - 1}.1"
        self._route(onwards, back)

    def _route(self, onwards, back):
        last = self.topology.hosts[f"hop{self.shape.hops}"]
        self.topology.run_in("hop1", ["ip", "route", "replace", "default", "via", onwards])
        last.run(["ip", "route", "replace", "198.18.0.0/24", "via", back])


def lay_bypass(topology, shape):
    first, last = topology.hosts["hop1"], topology.hosts[f"hop{shape.hops}"]
    peer = ["peer", "name", "bypass", "netns", last.name]
    first.run(["ip", "link", "add", "bypass", "type", "veth", *peer])
    for host, end in ((first, 1), (last, 2)):
        host.run(["ip", "address", "add", f"{BYPASS}.{end}/24", "dev", "bypass"])
        host.run(["ip", "link", "set", "bypass", "up"])
    topology.run_in(SOURCE, ["ip", "route", "replace", f"{BYPASS}.0/24", "via",
                             topology.paths[0][0]])  # fmt: skip


@contextmanager
def open_network(shape):
    """The network with its servers and its prober, until the block ends."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_chain(shape.hops, faulty_link=shape.faulty_link) as topology,
    ):
        if shape.has_bypass:
            lay_bypass(topology, shape)
        site = Program(topology.hosts[TARGET], "tests.injection.site", topology.target, folder)
        prober = Program(topology.hosts[SOURCE], "tests.injection.prober", f"{folder}/root.pem")
        network = Network(shape, topology, site, prober)
        network.reset()
        try:
            yield network
        finally:
            prober.close()
            site.close()
