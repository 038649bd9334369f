"""The `ping` probe: round trips, loss and jitter by ICMP echo or, without privileges, by TCP."""

from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from streamswarm_agent.errors import NameNotResolved, ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.histogram import count_in_buckets
from streamswarm_agent.probes.icmp import EchoEngine, EchoSession, EchoSettings, OddReplies
from streamswarm_agent.probes.icmp_socket import Method
from streamswarm_agent.probes.measures import (
    Measure,
    describe_failures,
    measure_loss,
    measure_round_trips,
    measure_send_schedule,
    measure_variation,
    measure_voice,
    ratio,
    sample_of,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.targets import parse_host
from streamswarm_agent.probes.tcp_connect import Connector

ICMP_METHODS: tuple[Method, ...] = ("icmp_raw", "icmp_datagram")
HISTOGRAM = "net.rtt.histogram"
SAMPLE_KEYS = frozenset(
    {
        "net.rtt.min",
        "net.rtt.mean",
        "net.rtt.median",
        "net.rtt.p95",
        "net.rtt.max",
        "net.rtt.stddev",
        "net.packet.sent",
        "net.packet.received",
        "net.packet.loss.ratio",
        "net.packet.loss.burst.max",
        "net.availability.ratio",
        "net.jitter.rfc3550",
        "net.ipdv.mean_abs",
    }
)


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


@dataclass(frozen=True, slots=True)
class TcpPinger:
    """Pings by TCP connect: a RST proves the host reachable and counts as its answer."""

    connector: Connector
    method: str = "tcp"
    errors: Counter[str] = field(default_factory=Counter)

    async def send(self) -> float | None:
        """The round trip of SYN to SYN-ACK or RST."""
        connection = await self.connector.connect()
        if connection.verdict in {"open", "refused"}:
            return connection.seconds
        if connection.verdict == "error":
            self.errors[connection.text] += 1
        return None

    @property
    def odd_replies(self) -> OddReplies | None:
        """Unknown: the kernel's TCP keeps them to itself."""
        return None


class PingProbe:
    """Sends probes by an absolute schedule over the socket that all pings share.

    Method `auto` takes the first that the system allows of ICMP raw socket, ICMP datagram socket
    and TCP connect; the outcome's method label names it, since their round trips differ. On Linux
    ICMP round trips end at the kernel's receive stamp. Loss is no answer within the time-out; the
    run waits for its last answers one time-out at most. `is_success`: at least one answer.
    All times are in seconds, all ratios 0 to 1.
    """

    kind: ClassVar[str] = "ping"

    def __init__(self, clock: Clock, resolver: Resolver, engine: EchoEngine | None = None) -> None:
        self._clock = clock
        self._resolver = resolver
        self._engine = engine or EchoEngine()

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Ping for the run's duration; see the class. Raises: ProbeFailed."""
        host = parse_host(request.target)
        try:
            address = await self._resolver.resolve(host, request.parameters["ip_version"])
        except NameNotResolved as error:
            return await _report_unresolved(error, request, emit)

        async def report(round_trips: Sequence[float | None]) -> None:
            await emit(sample_of(_measure_series(round_trips), SAMPLE_KEYS))

        with self._open_pinger(address, request) as pinger:
            course = await AttemptSchedule(self._clock, request, pinger.send, report).run()
            return _conclude(course, pinger, address)

    @contextmanager
    def _open_pinger(self, address: str, request: ProbeRequest) -> Iterator[Pinger]:
        wanted = request.parameters["method"]
        settings = EchoSettings(
            address=address,
            size_bytes=int(request.parameters["size_bytes"]),
            traffic_class=int(request.parameters["dscp"]) << 2,
            timeout_seconds=float(request.parameters["timeout_seconds"]),
        )
        refusals: list[str] = []
        with ExitStack() as stack:
            for method in ICMP_METHODS if wanted != "tcp" else ():
                try:
                    session = stack.enter_context(self._engine.session(settings, method))
                except (OSError, NotImplementedError) as error:
                    refusals.append(f"{method}: {error}")
                else:
                    yield IcmpPinger(session)
                    return
            if wanted == "icmp":
                raise ProbeFailed(f"no ICMP socket may be opened ({'; '.join(refusals)})")
            yield TcpPinger(self._connector(settings, int(request.parameters["tcp_port"])))

    def _connector(self, settings: EchoSettings, port: int) -> Connector:
        return Connector(
            clock=self._clock,
            address=settings.address,
            port=port,
            timeout_seconds=settings.timeout_seconds,
            traffic_class=settings.traffic_class,
        )


def _conclude(course: Course[float | None], pinger: Pinger, address: str) -> Outcome:
    sent_count = len(course.results)
    received_count = sum(seconds is not None for seconds in course.results)
    sample = sample_of(
        _measure_series(course.results)
        | measure_voice(course.results)
        | _measure_odd_replies(pinger.odd_replies, sent_count, received_count)
        | measure_send_schedule(course.errors_seconds)
    )
    answered = [seconds for seconds in course.results if seconds is not None]
    histogram = {HISTOGRAM: count_in_buckets(answered)} if answered else {}
    return Outcome(
        is_success=received_count > 0,
        method=pinger.method,
        values=sample.values,
        absent=sample.absent if answered else {**sample.absent, HISTOGRAM: "T"},
        document={"address": address, "errors": dict(pinger.errors), **histogram},
        reason=_explain(pinger.errors, sent_count, received_count, address),
    )


def _explain(errors: Counter[str], sent_count: int, received_count: int, address: str) -> str:
    silence = "" if received_count else f"no answer from {address} to {sent_count} probes"
    return "; ".join(filter(None, (silence, describe_failures(errors))))


async def _report_unresolved(error: NameNotResolved, request: ProbeRequest, emit: Emit) -> Outcome:
    measures = _measure_series([]) | {"net.availability.ratio": 0.0}
    await emit(sample_of(measures, SAMPLE_KEYS))
    replies = _measure_odd_replies(OddReplies(0, 0, 0), 0, 0)
    sample = sample_of(measures | measure_voice([]) | replies | measure_send_schedule([]))
    method = "tcp" if request.parameters["method"] == "tcp" else "icmp"
    absent = {**sample.absent, HISTOGRAM: "T"}
    return Outcome(False, method, sample.values, absent, reason=str(error))


def _measure_series(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    return (
        measure_round_trips(round_trips)
        | measure_loss(round_trips)
        | measure_variation(round_trips)
    )


def _measure_odd_replies(
    odd: OddReplies | None, sent_count: int, received_count: int
) -> dict[str, Measure]:
    if odd is None:
        names = ("late", "corrupt", "duplicate", "reorder")
        return dict.fromkeys((f"net.packet.{name}.ratio" for name in names), "N")
    reply_count = received_count + odd.late_count + odd.corrupt_count + odd.duplicate_count
    return {
        "net.packet.late.ratio": ratio(odd.late_count, sent_count),
        "net.packet.corrupt.ratio": ratio(odd.corrupt_count, reply_count),
        "net.packet.duplicate.ratio": ratio(odd.duplicate_count, reply_count),
        "net.packet.reorder.ratio": ratio(odd.reordered_count, received_count + odd.late_count),
    }
