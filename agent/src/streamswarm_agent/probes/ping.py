"""The `ping` probe: round trips, loss and jitter by ICMP echo or, without privileges, by UDP."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from streamswarm_agent.collectors.routes import NextHop
from streamswarm_agent.errors import NameNotResolved
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.histogram import count_in_buckets
from streamswarm_agent.probes.icmp import EchoEngine, OddReplies
from streamswarm_agent.probes.measures import (
    Measure,
    describe_failures,
    mean_or,
    measure_loss,
    measure_round_trips,
    measure_send_schedule,
    measure_stamps,
    measure_variation,
    measure_voice,
    name_stamps,
    ratio,
    sample_of,
)
from streamswarm_agent.probes.ping_link import LinkTimer
from streamswarm_agent.probes.ping_methods import (
    UDP_INTERVAL_SECONDS,
    IcmpPinger,
    Pinger,
    Pingers,
    TcpPinger,
    UdpPinger,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.statistics import percentile
from streamswarm_agent.probes.targets import parse_host

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


WAY_KEYS = ("net.rtt.arp", "net.rtt.udp", "net.rtt.tcp_connect", "net.rtt.icmp_tcp_delta")
COMPARED_CONNECTIONS = 5
COMPARISON_NEEDS = 3


@dataclass(frozen=True, slots=True)
class Beside:
    """What is measured beside the probes: the own link, and TCP connects to compare with.

    `connector` is None when no connects are wanted.
    """

    link: Measure = "N"
    connector: TcpPinger | None = None
    connect_seconds: Sequence[float] = ()


class PingProbe:
    """Sends probes by an absolute schedule over the socket that all pings share.

    Method `auto` takes the first that is possible of ICMP raw socket, ICMP datagram socket, UDP to
    a closed port (at most one probe a second, as more is not answered; only of a target that
    answers so) and TCP connect; the outcome's method label names it, since their round trips
    differ. On Linux ICMP and UDP round trips end at the kernel's receive stamp. Loss is no answer
    within the time-out; the run waits for its last answers one time-out at most. `is_success`: at
    least one answer. All times are in seconds, all ratios 0 to 1.
    """

    kind: ClassVar[str] = "ping"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        engine: EchoEngine | None = None,
        link_timer: LinkTimer | None = None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._pingers = Pingers(clock, engine or EchoEngine())
        self._link_timer = link_timer or LinkTimer()

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Ping for the run's duration; see the class. Raises: ProbeFailed."""
        host = parse_host(request.target)
        try:
            address = await self._resolver.resolve(host, request.parameters["ip_version"])
        except NameNotResolved as error:
            return await _report_unresolved(error, request, emit)

        async def report(round_trips: Sequence[float | None]) -> None:
            await emit(sample_of(_measure_series(round_trips), SAMPLE_KEYS))

        begun = self._clock.monotonic()
        async with self._pingers.open(address, request) as pinger:
            timed = _time_run(request, pinger, self._clock.monotonic() - begun)
            beside = self._begin_beside(address, timed, pinger)
            try:
                course = await AttemptSchedule(self._clock, timed, pinger.send, report).run()
                found = Beside() if beside is None else await beside
                return _conclude(course, pinger, address, found)
            finally:
                if beside is not None:
                    beside.cancel()

    def _begin_beside(
        self, address: str, request: ProbeRequest, pinger: Pinger
    ) -> "asyncio.Task[Beside] | None":
        """What is measured beside the probes, under way; None where there is nothing to."""
        hop = self._link_timer.find(address) if request.parameters["is_link_measured"] else None
        is_compared = request.parameters["is_tcp_compared"] and isinstance(pinger, IcmpPinger)
        if hop is None and not is_compared:
            return None
        return asyncio.create_task(
            self._measure_beside(address, request, hop, is_compared=is_compared)
        )

    async def _measure_beside(
        self, address: str, request: ProbeRequest, hop: NextHop | None, *, is_compared: bool
    ) -> Beside:
        link = "N" if hop is None else await self._link_timer.measure(hop)
        if not is_compared:
            return Beside(link)
        tcp = TcpPinger(self._pingers.make_connector(address, request))
        found: list[float | None] = []
        for _ in range(COMPARED_CONNECTIONS):
            found.append(await tcp.send())
            await self._clock.sleep(request.duration_seconds / (2 * COMPARED_CONNECTIONS))
        return Beside(link, tcp, [seconds for seconds in found if seconds is not None])


def _time_run(request: ProbeRequest, pinger: Pinger, spent_seconds: float) -> ProbeRequest:
    """The run in the time that is left of it, at the rate that the method bears."""
    if isinstance(pinger, IcmpPinger):
        return request
    parameters = dict(request.parameters)
    if isinstance(pinger, UdpPinger):
        interval = max(float(parameters["interval_seconds"]), UDP_INTERVAL_SECONDS)
        parameters["interval_seconds"] = interval
    left_seconds = max(request.duration_seconds - spent_seconds, 0.0)
    return replace(request, parameters=parameters, duration_seconds=left_seconds)


def _conclude(
    course: Course[float | None], pinger: Pinger, address: str, beside: Beside
) -> Outcome:
    sent_count = len(course.results)
    received_count = sum(seconds is not None for seconds in course.results)
    sample = sample_of(
        _measure_series(course.results)
        | measure_voice(course.results)
        | _measure_odd_replies(pinger.odd_replies, sent_count, received_count)
        | measure_send_schedule(course.errors_seconds)
        | measure_stamps(pinger.stamp_delays_seconds, received_count)
        | _measure_ways(course.results, pinger, beside)
    )
    answered = [seconds for seconds in course.results if seconds is not None]
    histogram = {HISTOGRAM: count_in_buckets(answered)} if answered else {}
    return Outcome(
        is_success=received_count > 0,
        method=pinger.method,
        values=sample.values,
        absent=sample.absent if answered else {**sample.absent, HISTOGRAM: "T"},
        facts=name_stamps(pinger.stamp_delays_seconds, received_count),
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
    sample = sample_of(
        measures
        | measure_voice([])
        | replies
        | measure_send_schedule([])
        | measure_stamps((), 0)
        | dict.fromkeys(WAY_KEYS, "N")
        | {"path.ttl.received": "T"}
    )
    wanted = request.parameters["method"]
    method = "icmp" if wanted == "auto" else wanted
    absent = {**sample.absent, HISTOGRAM: "T"}
    return Outcome(False, method, sample.values, absent, reason=str(error))


def _measure_series(round_trips: Sequence[float | None]) -> dict[str, Measure]:
    return (
        measure_round_trips(round_trips)
        | measure_loss(round_trips)
        | measure_variation(round_trips)
    )


def _measure_ways(
    round_trips: Sequence[float | None], pinger: Pinger, beside: Beside
) -> dict[str, Measure]:
    """What tells one way to ask from another, and the target's hops left."""
    answered = [seconds for seconds in round_trips if seconds is not None]
    ttl: Measure = "U" if answered else "T"
    connects: Measure = "N"
    tcp = pinger if isinstance(pinger, TcpPinger) else beside.connector
    if tcp is not None:
        connects = mean_or(tcp.opened_seconds, "T")
    udp: Measure = "N"
    if isinstance(pinger, UdpPinger):
        udp = percentile(answered, 0.5) if answered else "T"
    delta: Measure = "N" if beside.connector is None else "I"
    if answered and len(beside.connect_seconds) >= COMPARISON_NEEDS:
        delta = percentile(beside.connect_seconds, 0.5) - percentile(answered, 0.5)
    return {
        "net.rtt.arp": beside.link,
        "net.rtt.udp": udp,
        "net.rtt.tcp_connect": connects,
        "net.rtt.icmp_tcp_delta": delta,
        "path.ttl.received": ttl if pinger.received_ttl is None else pinger.received_ttl,
    }


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
