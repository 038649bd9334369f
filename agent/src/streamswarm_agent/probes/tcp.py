"""The `tcp` probe: how long a connection takes to open, and how often that works."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from streamswarm_agent.errors import NameNotResolved
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.measures import (
    Measure,
    describe_failures,
    mean_or,
    measure_loss,
    measure_round_trips,
    measure_send_schedule,
    sample_of,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.targets import parse_host
from streamswarm_agent.probes.tcp_connect import Connection, Connector
from streamswarm_agent.probes.tcp_info import TCP_FACTS, TCP_NUMBERS, measure_tcp, state_tcp

SAMPLE_KEYS = frozenset(
    {
        "net.rtt.tcp_connect",
        "net.rtt.min",
        "net.rtt.median",
        "net.rtt.p95",
        "net.rtt.max",
        "net.packet.sent",
        "net.packet.received",
        "net.packet.loss.ratio",
        "net.availability.ratio",
    }
)


class TcpProbe:
    """Opens and closes a connection each interval.

    Success is an established connection. A refusal (RST) is an answer of the host but no service:
    it counts as a failed attempt, gives no round trip, and is named in the reason. `is_success`:
    at least one connection opened. Times are the program's view of the handshake, in seconds;
    beside them stands what the kernel knows of the connections (`net.tcp.*`).
    """

    kind: ClassVar[str] = "tcp"

    def __init__(self, clock: Clock, resolver: Resolver) -> None:
        self._clock = clock
        self._resolver = resolver

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Connect for the run's duration; see the class. Raises: ProbeFailed."""
        host = parse_host(request.target)
        try:
            address = await self._resolver.resolve(host, request.parameters["ip_version"])
        except NameNotResolved as error:
            return await _report_unresolved(error, emit)
        connector = Connector(
            clock=self._clock,
            address=address,
            port=int(request.parameters["port"]),
            timeout_seconds=float(request.parameters["timeout_seconds"]),
        )

        async def report(connections: Sequence[Connection]) -> None:
            await emit(sample_of(_measure(connections), SAMPLE_KEYS))

        schedule = AttemptSchedule(self._clock, request, connector.connect, report)
        return _conclude(await schedule.run(), address)


def _conclude(course: Course[Connection], address: str) -> Outcome:
    measures = _measure(course.results) | measure_send_schedule(course.errors_seconds)
    opened = [connection for connection in course.results if connection.verdict == "open"]
    details = [connection.details for connection in opened if connection.details is not None]
    facts, unsaid = state_tcp(details)
    if opened and not details:
        measures |= dict.fromkeys(TCP_NUMBERS, "U")
        unsaid = dict.fromkeys(TCP_FACTS, "U")
    else:
        measures |= measure_tcp(details)
    sample = sample_of(measures)
    failures = Counter(connection.text for connection in course.results if connection.text)
    document: dict[str, Any] = {"address": address, "failures": dict(failures)}
    if details:
        document["options"] = details[-1].options
    return Outcome(
        is_success=sample.values["net.packet.received"] > 0,
        method="tcp",
        values=sample.values,
        absent={**sample.absent, **unsaid},
        facts=facts,
        document=document,
        reason=describe_failures(failures),
    )


async def _report_unresolved(error: NameNotResolved, emit: Emit) -> Outcome:
    measures = _measure([]) | {"net.availability.ratio": 0.0}
    await emit(sample_of(measures, SAMPLE_KEYS))
    sample = sample_of(measures | measure_send_schedule([]) | measure_tcp([]))
    absent = {**sample.absent, **state_tcp([])[1]}
    return Outcome(False, "tcp", sample.values, absent, reason=str(error))


def _measure(connections: Sequence[Connection]) -> dict[str, Measure]:
    round_trips = [_round_trip_of(connection) for connection in connections]
    opened = [seconds for seconds in round_trips if seconds is not None]
    return {
        "net.rtt.tcp_connect": mean_or(opened, "T"),
        **measure_round_trips(round_trips),
        **measure_loss(round_trips),
    }


def _round_trip_of(connection: Connection) -> float | None:
    return connection.seconds if connection.verdict == "open" else None
