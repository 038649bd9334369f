"""The `ntp` probe: what time servers say, and how far this host's clock is from it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from streamswarm_agent.errors import NameNotResolved, ProbeFailed, TargetRefused
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.measures import (
    AbsentCode,
    Measure,
    describe_failures,
    measure_send_schedule,
    ratio,
    sample_of,
)
from streamswarm_agent.probes.ntp_exchange import TimeExchange, TimeQuestioner, TimeReply
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.targets import parse_host

MAX_SERVERS = 8
LEAP_WORDS = ("none", "insert a second", "delete a second", "not synchronised")


class NtpProbe:
    """Asks a time server each interval, and at the end each of the servers beside it once.

    Offset, round trip, stratum and dispersion are those of the fastest exchange of the interval or
    run: what waited least in queues is wrong by least (RFC 5905 section 10). The offset is the
    server's clock minus the host's, wrong by at most half of the round trip. Success of an
    exchange: an answer from a server that is itself synchronised. `is_success`: at least one.
    """

    kind: ClassVar[str] = "ntp"

    def __init__(self, clock: Clock, resolver: Resolver) -> None:
        self._clock = clock
        self._resolver = resolver

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Ask for the run's duration; see the class. Raises: ProbeFailed."""
        host = parse_host(request.target)
        others = parse_servers(request.parameters["servers"])
        try:
            questioner = await self._reach(host, request.parameters)
        except NameNotResolved as error:
            return await _report_unresolved(error, emit)

        async def report(exchanges: Sequence[TimeExchange]) -> None:
            await emit(sample_of(_measure(exchanges)))

        course = await AttemptSchedule(self._clock, request, questioner.ask, report).run()
        rows = [describe_server(host, find_fastest(course.results))]
        rows += [await self._ask_beside(other, request.parameters) for other in others]
        return _conclude(course, rows, address=questioner.address)

    async def _reach(self, host: str, parameters: Mapping[str, Any]) -> TimeQuestioner:
        return TimeQuestioner(
            clock=self._clock,
            address=await self._resolver.resolve(host, parameters["ip_version"]),
            port=int(parameters["port"]),
            timeout_seconds=float(parameters["timeout_seconds"]),
        )

    async def _ask_beside(self, host: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        try:
            questioner = await self._reach(host, parameters)
        except (NameNotResolved, TargetRefused) as error:
            return describe_server(host, TimeExchange(error=str(error)))
        return describe_server(host, await questioner.ask())


def parse_servers(text: str) -> list[str]:
    """The hosts of a list with commas. Raises: ProbeFailed naming the field."""
    hosts = [parse_host(part.strip(), "servers") for part in text.split(",") if part.strip()]
    if len(hosts) > MAX_SERVERS:
        raise ProbeFailed(f"servers: at most {MAX_SERVERS}")
    return hosts


def find_fastest(exchanges: Sequence[TimeExchange]) -> TimeExchange:
    """The answered exchange with the shortest round trip, one to go by before one that is not."""
    answered = [exchange for exchange in exchanges if exchange.reply]
    if not answered:
        return exchanges[-1] if exchanges else TimeExchange(error="not asked")
    return min(answered, key=lambda one: (bool(one.failure), one.round_trip_seconds))


def describe_server(host: str, exchange: TimeExchange) -> dict[str, Any]:
    """A row of the result's table of servers."""
    row: dict[str, Any] = {"server": host, "error": exchange.failure}
    if exchange.reply is None:
        return row
    return {**row, **_describe_reply(exchange, exchange.reply)}


def measure_disagreement(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds between the lowest and the highest offset of usable servers; None for fewer than 2.

    What every server's answer is wrong by (half of its round trip) is taken off: zero means that
    one true time is possible, more that a server is false (RFC 5905 section 11.2.1).
    """
    usable = [row for row in rows if not row["error"]]
    if len(usable) < 2:  # noqa: PLR2004 - nothing to disagree with
        return None
    highest_low = max(row["offset"] - row["round_trip"] / 2 for row in usable)
    lowest_high = min(row["offset"] + row["round_trip"] / 2 for row in usable)
    return float(max(0.0, highest_low - lowest_high))


def _describe_reply(exchange: TimeExchange, reply: TimeReply) -> dict[str, Any]:
    return {
        "offset": exchange.offset_seconds,
        "round_trip": exchange.round_trip_seconds,
        "stratum": reply.stratum,
        "reference": reply.reference,
        "leap": LEAP_WORDS[reply.leap],
        "root_delay": reply.root_delay_seconds,
        "root_dispersion": reply.root_dispersion_seconds,
    }


async def _report_unresolved(error: NameNotResolved, emit: Emit) -> Outcome:
    measures = _measure([]) | {"net.availability.ratio": 0.0}
    await emit(sample_of(measures))
    sample = sample_of(measures | measure_send_schedule([]))
    return Outcome(False, "ntp", sample.values, sample.absent, reason=str(error))


def _conclude(
    course: Course[TimeExchange], rows: Sequence[Mapping[str, Any]], *, address: str
) -> Outcome:
    sample = sample_of(_measure(course.results) | measure_send_schedule(course.errors_seconds))
    failures = Counter(exchange.failure for exchange in course.results)
    failures.pop("", None)
    document: dict[str, Any] = {"address": address, "servers": list(rows)}
    disagreement = measure_disagreement(rows)
    if disagreement is not None:
        document["disagreement"] = disagreement
    return Outcome(
        is_success=sample.values.get("net.availability.ratio", 0.0) > 0,
        method="ntp",
        values=sample.values,
        absent=sample.absent,
        document={**document, "failures": dict(failures.most_common(10))},
        reason=describe_failures(failures),
    )


def _measure(exchanges: Sequence[TimeExchange]) -> dict[str, Measure]:
    good_count = sum(not exchange.failure for exchange in exchanges)
    fastest = find_fastest(exchanges)
    reply = fastest.reply
    silent: AbsentCode = "T"
    offset: Measure = silent
    if reply:
        # The time of a server that refuses or has lost its own is nothing to go by.
        offset = "N" if reply.refusal else fastest.offset_seconds
    return {
        "ntp.offset": offset,
        "ntp.rtt": fastest.round_trip_seconds if reply else silent,
        "ntp.stratum": _tell_stratum(reply) if reply else silent,
        "ntp.root_dispersion": reply.root_dispersion_seconds if reply else silent,
        "net.availability.ratio": ratio(good_count, len(exchanges)),
    }


def _tell_stratum(reply: TimeReply) -> float:
    """0 on the wire is 16, not synchronised (RFC 5905 section 7.3)."""
    return reply.stratum or 16
