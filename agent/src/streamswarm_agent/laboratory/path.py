"""A path between two namespaces whose faults are chosen while it is in use."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import IO, Any, Literal, cast

import streamswarm_agent
from streamswarm_agent.laboratory.impairment import Impairment
from streamswarm_agent.laboratory.ledger import Ledger, read_direction
from streamswarm_agent.laboratory.namespaces import (
    LaboratoryFailed,
    Namespace,
    open_namespaces,
)

Side = Literal["near", "far"]
DEVICE = "lab0"
DEVICE_QUEUE_PACKETS = 20_000
EMPTYING_SECONDS = 10.0
ENDING_SECONDS = 10.0
PAUSE_SECONDS = 0.01
FORGETTING = (
    ("-4", "route", "flush", "cache"),
    ("-6", "route", "flush", "cache"),
    ("tcp_metrics", "flush"),
)
SOURCE_FOLDER = Path(streamswarm_agent.__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one end of the path, or of the router in its middle."""

    ipv4: str
    ipv6: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where the path lies: both ends share a /24 and a /64 with the router between them."""

    near: Addresses
    far: Addresses
    router: Addresses
    mtu_bytes: int = 1500


def number_link(number: int, mtu_bytes: int = 1500) -> Link:
    """The addresses of the n-th link, 0 to 255, of the network for benchmarks (RFC 2544)."""
    near, far, router = (
        Addresses(f"198.18.{number}.{end}", str(IPv6Address(f"2001:db8:18:{number:x}::{end:x}")))
        for end in (1, 2, 254)
    )
    return Link(near, far, router, mtu_bytes)


class FaultyPath:
    """A near and a far host with the bridge between them. Forward is from near to far."""

    def __init__(
        self, hosts: Mapping[Side, Namespace], bridge: "subprocess.Popen[str]", link: Link
    ) -> None:
        self.near = link.near
        self.far = link.far
        self._hosts = hosts
        self._bridge = bridge
        self._missed_before = 0
        self._order({})

    def host(self, side: Side) -> Namespace:
        """The host at that end."""
        return self._hosts[side]

    def run_in(self, side: Side, argv: Sequence[str], **options: Any) -> str:
        """As `Namespace.run` on that side."""
        return self.host(side).run(argv, **options)

    def start_in(self, side: Side, argv: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """As `Namespace.start` on that side; what still runs when the path closes is killed."""
        return self.host(side).start(argv, **options)

    def set(self, *, forward: Impairment | None = None, reverse: Impairment | None = None) -> None:
        """Impair one direction or both from now on; what is under way stays as it is."""
        wanted = {"forward": forward, "reverse": reverse}
        self._order({"set": {name: asdict(one) for name, one in wanted.items() if one is not None}})

    def reset(self) -> None:
        """No impairment either way, a new ledger, and hosts that have learned nothing yet."""
        self.set(forward=Impairment(), reverse=Impairment())
        self.ledger()
        for host in self._hosts.values():
            for command in FORGETTING:
                host.run(["ip", *command])
        self._missed_before = self._count_missed()
        self._order({"open_ledger": True})

    def ledger(self) -> Ledger:
        """What the bridge did since the ledger was opened, once nothing is under way.

        Raises: LaboratoryFailed when packets do not cease.
        """
        deadline = time.monotonic() + EMPTYING_SECONDS
        while (answer := self._order({"read_ledger": True}))["waiting"]:
            if time.monotonic() > deadline:
                raise LaboratoryFailed(f"{answer['waiting']} packets are still under way")
            time.sleep(PAUSE_SECONDS)
        return Ledger(
            forward=read_direction(answer["forward"]),
            reverse=read_direction(answer["reverse"]),
            missed_count=self._count_missed() - self._missed_before,
        )

    def _count_missed(self) -> int:
        return sum(_count_dropped(host) for host in self._hosts.values())

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        order_stream = cast("IO[str]", self._bridge.stdin)
        answer_stream = cast("IO[str]", self._bridge.stdout)
        try:
            if order:
                order_stream.write(json.dumps(order) + "\n")
                order_stream.flush()
            answer: dict[str, Any] = json.loads(answer_stream.readline())
        except (OSError, ValueError) as error:
            raise LaboratoryFailed(f"the bridge does not answer: {error}") from error
        if "error" in answer:
            raise LaboratoryFailed(str(answer["error"]))
        return answer


@contextmanager
def open_path(*, mtu_bytes: int = 1500) -> Iterator[FaultyPath]:
    """A path without faults between two new hosts, until the block ends.

    Raises: LaboratoryFailed; ask `explain_missing` before.
    """
    with (
        open_namespaces("near", "far") as opened,
        join_hosts(opened["near"], opened["far"], number_link(0, mtu_bytes)) as path,
    ):
        yield path


@contextmanager
def join_hosts(near: Namespace, far: Namespace, link: Link) -> Iterator[FaultyPath]:
    """A path without faults between two hosts that have none yet, until the block ends."""
    hosts: dict[Side, Namespace] = {"near": near, "far": far}
    with _run_bridge(near, far, link.router) as bridge:
        path = FaultyPath(hosts, bridge, link)
        _bring_up(near, link.near, link.mtu_bytes)
        _bring_up(far, link.far, link.mtu_bytes)
        path.reset()
        yield path


@contextmanager
def _run_bridge(
    near: Namespace, far: Namespace, router: Addresses
) -> Iterator["subprocess.Popen[str]"]:
    argv = [sys.executable, "-m", "streamswarm_agent.laboratory", DEVICE, near.name, far.name]
    bridge = subprocess.Popen(
        [*argv, router.ipv4, router.ipv6],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE_FOLDER)},
    )  # fmt: skip
    try:
        yield bridge
    finally:
        try:
            bridge.communicate(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            bridge.kill()
            bridge.communicate()


def _bring_up(host: Namespace, addresses: Addresses, mtu_bytes: int) -> None:
    queue, mtu = str(DEVICE_QUEUE_PACKETS), str(mtu_bytes)
    host.run(["ip", "link", "set", DEVICE, "mtu", mtu, "txqueuelen", queue, "addrgenmode", "none"])
    give_addresses(host, DEVICE, addresses)


def give_addresses(host: Namespace, device: str, addresses: Addresses) -> None:
    """Let the device have its addresses, and be up."""
    host.run(["ip", "address", "add", f"{addresses.ipv4}/24", "dev", device])
    host.run(["ip", "address", "add", f"{addresses.ipv6}/64", "dev", device, "nodad"])
    host.run(["ip", "link", "set", device, "up"])


def _count_dropped(host: Namespace) -> int:
    """Packets that the device had no room for, and those that came back too fast for the kernel."""
    (link,) = json.loads(host.run(["ip", "-json", "-stats", "link", "show", DEVICE]))
    return int(link["stats64"]["tx"]["dropped"]) + int(link["stats64"]["rx"]["dropped"])
