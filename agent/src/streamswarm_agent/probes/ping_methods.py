"""The ways to ping: ICMP echo, UDP to a closed port, TCP connect; each sends one run's probes."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock, ProbeRequest
from streamswarm_agent.probes.icmp import EchoEngine, EchoSession, EchoSettings, OddReplies
from streamswarm_agent.probes.icmp_socket import IS_LINUX, Method, set_traffic_class
from streamswarm_agent.probes.icmp_time import HostClocks
from streamswarm_agent.probes.tcp_connect import Connector
from streamswarm_agent.probes.trace_flows import (
    Destination,
    Flow,
    FlowSettings,
    SocketFactory,
)
from streamswarm_agent.probes.trace_sockets import open_flow

ICMP_METHODS: tuple[Method, ...] = ("icmp_raw", "icmp_datagram")
UDP_INTERVAL_SECONDS = 1.0
"""Linux sends one host no more "port unreachable" than this: probes in between would seem lost."""
UDP_TRIALS = 3
TRIAL_SECONDS = 1.0
TRIAL_SHARE = 0.25
UDP_TTL = 64
TARGETS_REMEMBERED = 1024


class Pinger(Protocol):
    """Sends the probes of one run by one method."""

    @property
    def method(self) -> str:
        """The label of the method."""

    @property
    def errors(self) -> Counter[str]:
        """What was said about unanswered probes."""

    def send(self) -> Awaitable[float | None]:
        """Send the next probe; its round trip in seconds, None for none."""

    @property
    def odd_replies(self) -> OddReplies | None:
        """Replies that answered no probe in time; None when the method cannot see them."""

    @property
    def stamp_delays_seconds(self) -> Sequence[float]:
        """As `EchoSession.stamp_delays_seconds`; empty when the kernel stamps nothing."""

    @property
    def received_ttl(self) -> int | None:
        """The hops that the last answer had left; None where the system does not tell."""


@dataclass(frozen=True, slots=True)
class IcmpPinger:
    """Pings by the shared ICMP socket."""

    session: EchoSession

    @property
    def method(self) -> str:
        """The kind of ICMP socket."""
        return self.session.method

    @property
    def errors(self) -> Counter[str]:
        """What routers and this host said about unanswered probes."""
        return self.session.errors

    def send(self) -> Awaitable[float | None]:
        """As `EchoSession.send`."""
        return self.session.send()

    @property
    def odd_replies(self) -> OddReplies | None:
        """As the session counted them."""
        return self.session.odd_replies

    @property
    def stamp_delays_seconds(self) -> Sequence[float]:
        """As the session saw them."""
        return self.session.stamp_delays_seconds

    @property
    def received_ttl(self) -> int | None:
        """As the session saw it."""
        return self.session.received_ttl


@dataclass(slots=True)
class UdpPinger:
    """Pings by datagrams to a closed port: that it is closed is the target's answer."""

    flow: Flow
    method: str = "udp"
    received_ttl: int | None = None
    stamp_delays_seconds: list[float] = field(default_factory=list)

    @property
    def errors(self) -> Counter[str]:
        """What routers and this host said about unanswered probes."""
        return self.flow.errors

    async def send(self) -> float | None:
        """The round trip of a datagram and the ICMP error, or the datagram, that answers it."""
        answer = await self.flow.ask(UDP_TTL)
        if answer is None:
            return None
        if answer.verdict != "reached":
            self.errors[answer.text or "time to live exceeded"] += 1
            return None
        self.received_ttl = answer.received_ttl
        if answer.stamp_delay_seconds is not None:
            self.stamp_delays_seconds.append(answer.stamp_delay_seconds)
        return answer.seconds

    @property
    def odd_replies(self) -> OddReplies | None:
        """Unknown: an error is not told twice, and says little of what it answers."""
        return None

    async def is_answered(self, within_seconds: float) -> bool:
        """Whether one of a few probes is answered in time."""
        waiting = {self.flow.ask(UDP_TTL) for _ in range(UDP_TRIALS)}
        loop = asyncio.get_running_loop()
        end = loop.time() + within_seconds
        while waiting and (left := end - loop.time()) > 0:
            done, waiting = await asyncio.wait(
                waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            answers = [answer.result() for answer in done]
            if any(answer and answer.verdict == "reached" for answer in answers):
                return True
        return False


@dataclass(frozen=True, slots=True)
class TcpPinger:
    """Pings by TCP connect: a RST proves the host reachable and counts as its answer."""

    connector: Connector
    method: str = "tcp"
    errors: Counter[str] = field(default_factory=Counter)
    opened_seconds: list[float] = field(default_factory=list)

    async def send(self) -> float | None:
        """The round trip of SYN to SYN-ACK or RST."""
        connection = await self.connector.connect()
        if connection.verdict == "open":
            self.opened_seconds.append(connection.seconds)
        if connection.verdict in {"open", "refused"}:
            return connection.seconds
        if connection.verdict == "error":
            self.errors[connection.text] += 1
        return None

    @property
    def odd_replies(self) -> OddReplies | None:
        """Unknown: the kernel's TCP keeps them to itself."""
        return None

    @property
    def stamp_delays_seconds(self) -> Sequence[float]:
        """None: connections have no stamps."""
        return ()

    @property
    def received_ttl(self) -> int | None:
        """Unknown: the kernel's TCP keeps it to itself."""
        return None


class Pingers:
    """Opens the first way to ping that the test, the host and the target allow.

    Of UDP the target decides as well: one that has never answered a datagram is pinged by TCP. A
    target that answered once is pinged by UDP from then on, so that silence is loss and no change
    of method.
    """

    def __init__(
        self, clock: Clock, engine: EchoEngine, open_socket: SocketFactory = socket.socket
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._open_socket = open_socket
        self._udp_targets: dict[str, None] = {}

    @asynccontextmanager
    async def open(self, address: str, request: ProbeRequest) -> AsyncIterator[Pinger]:
        """The pinger of a run until the block ends. Raises: ProbeFailed."""
        wanted = request.parameters["method"]
        settings = EchoSettings(
            address=address,
            size_bytes=int(request.parameters["size_bytes"]),
            traffic_class=int(request.parameters["dscp"]) << 2,
            timeout_seconds=float(request.parameters["timeout_seconds"]),
        )
        refusals: list[str] = []
        with ExitStack() as stack:
            pinger: Pinger | None = None
            if wanted in {"auto", "icmp"}:
                pinger = self._open_icmp(stack, settings, refusals)
            if pinger is None and wanted in {"auto", "udp"}:
                pinger = await self._open_udp(stack, settings, request, refusals)
            if pinger is None and wanted in {"auto", "tcp"}:
                pinger = TcpPinger(self.make_connector(address, request))
            if pinger is None:
                raise ProbeFailed(f"no socket for a ping may be opened ({'; '.join(refusals)})")
            yield pinger

    def make_connector(self, address: str, request: ProbeRequest) -> Connector:
        """What opens connections to the target as the test's parameters say."""
        return Connector(
            clock=self._clock,
            address=address,
            port=int(request.parameters["tcp_port"]),
            timeout_seconds=float(request.parameters["timeout_seconds"]),
            traffic_class=int(request.parameters["dscp"]) << 2,
        )

    def _open_icmp(
        self, stack: ExitStack, settings: EchoSettings, refusals: list[str]
    ) -> IcmpPinger | None:
        for method in ICMP_METHODS:
            try:
                return IcmpPinger(stack.enter_context(self._engine.session(settings, method)))
            except (OSError, NotImplementedError) as error:
                refusals.append(f"{method}: {error}")
        return None

    async def _open_udp(
        self, stack: ExitStack, settings: EchoSettings, request: ProbeRequest, refusals: list[str]
    ) -> UdpPinger | None:
        if not IS_LINUX:
            refusals.append("udp: only Linux keeps the errors of a socket")
            return None
        try:
            flow = self._open_flow(settings, int(request.parameters["udp_port"]))
        except (OSError, NotImplementedError) as error:
            refusals.append(f"udp: {error}")
            return None
        stack.callback(flow.close)
        pinger = UdpPinger(flow)
        is_wanted = request.parameters["method"] == "udp"
        return pinger if is_wanted or await self._may_use(pinger, request) else None

    def _open_flow(self, settings: EchoSettings, port: int) -> Flow:
        resolved = socket.getaddrinfo(
            settings.address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]

        def open_marked(family: int, kind: int, protocol: int) -> socket.socket:
            opened = self._open_socket(family, kind, protocol)
            set_traffic_class(opened, settings.traffic_class)
            return opened

        flow_settings = FlowSettings(
            family=socket.AF_INET6 if ":" in settings.address else socket.AF_INET,
            destination=cast("Destination", resolved[4]),
            number=0,
            source_port=0,
            wait_seconds=settings.timeout_seconds,
            probe_bytes=settings.size_bytes,
        )
        return open_flow("udp", flow_settings, HostClocks(), open_marked)

    async def _may_use(self, pinger: UdpPinger, request: ProbeRequest) -> bool:
        target = str(request.target)
        is_known = target in self._udp_targets
        seconds = min(
            TRIAL_SECONDS,
            float(request.parameters["timeout_seconds"]),
            TRIAL_SHARE * request.duration_seconds,
        )
        if not is_known and not await pinger.is_answered(seconds):
            return False
        self._udp_targets.pop(target, None)
        self._udp_targets[target] = None
        if len(self._udp_targets) > TARGETS_REMEMBERED:
            del self._udp_targets[next(iter(self._udp_targets))]
        return True
