"""The `dns` probe: how long a resolver takes to answer a query, and what it says."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

from streamswarm_agent.errors import NameNotResolved, ProbeFailed
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.dns_lookup import (
    Lookup,
    Questioner,
    Reply,
    normalise_answer,
    parse_query_name,
    system_nameservers,
)
from streamswarm_agent.probes.measures import (
    Measure,
    describe_failures,
    mean_or,
    measure_send_schedule,
    ratio,
    sample_of,
)
from streamswarm_agent.probes.schedule import AttemptSchedule, Course
from streamswarm_agent.probes.targets import parse_host

MAX_LISTED_ANSWERS = 20
MAX_ANSWER_LENGTH = 255


class DnsProbe:
    """Asks one resolver for a name each interval; the target `system` is the host's first resolver.

    Success of a query: NOERROR and, if one is expected, an answer that equals it (without case,
    final dot and quotes). Duration, counts, TTL and size are means over the answered queries, the
    TTL of the smallest in each answer; truncation is 1 if any answer was, authentication 1 if all
    were. A query without an answer in time, or refused by the network, counts in the time-out
    ratio. `is_success`: at least one query succeeded.
    """

    kind: ClassVar[str] = "dns"

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        read_nameservers: Callable[[], Sequence[str]] = system_nameservers,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._read_nameservers = read_nameservers

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Query for the run's duration; see the class. Raises: ProbeFailed."""
        parameters = request.parameters
        record_type, transport = parameters["record_type"], parameters["transport"]
        expected = normalise_answer(parameters["expected_answer"])
        name = parse_query_name(parameters["name"], record_type)
        host = self._find_host(request.target)
        try:
            address = await self._resolver.resolve(host)
        except NameNotResolved as error:
            return await _report_unresolved(error, expected, transport, emit)
        questioner = Questioner(
            self._clock,
            address,
            int(parameters["port"]),
            transport,
            float(parameters["timeout_seconds"]),
        )

        async def report(lookups: Sequence[Lookup]) -> None:
            await emit(sample_of(_measure(lookups, expected, transport)))

        schedule = AttemptSchedule(
            self._clock, request, lambda: questioner.ask(name, record_type), report
        )
        return _conclude(await schedule.run(), expected, method=transport, address=address)

    def _find_host(self, target: str) -> str:
        if target.strip().lower() != "system":
            return parse_host(target)
        nameservers = self._read_nameservers()
        if not nameservers:
            raise ProbeFailed("target: this host is not configured to use any resolver")
        return nameservers[0]


async def _report_unresolved(
    error: NameNotResolved, expected: str, transport: str, emit: Emit
) -> Outcome:
    measures = _measure([], expected, transport) | {"net.availability.ratio": 0.0}
    await emit(sample_of(measures))
    sample = sample_of(measures | measure_send_schedule([]))
    return Outcome(False, transport, sample.values, sample.absent, reason=str(error))


def _conclude(course: Course[Lookup], expected: str, *, method: str, address: str) -> Outcome:
    sample = sample_of(
        _measure(course.results, expected, method) | measure_send_schedule(course.errors_seconds)
    )
    failures = Counter(_failure_of(lookup, expected) for lookup in course.results)
    failures.pop("", None)
    replies = [lookup.reply for lookup in course.results if lookup.reply]
    return Outcome(
        is_success=sample.values.get("net.availability.ratio", 0.0) > 0,
        method=method,
        values=sample.values,
        absent=sample.absent,
        facts={"dns.response.code": replies[-1].code} if replies else {},
        document={
            "address": address,
            "answers": _list_answers(replies[-1]) if replies else [],
            "failures": dict(failures.most_common(10)),
        },
        reason=describe_failures(failures),
    )


def _list_answers(reply: Reply) -> list[str]:
    return [answer[:MAX_ANSWER_LENGTH] for answer in sorted(reply.answers)[:MAX_LISTED_ANSWERS]]


def _measure(lookups: Sequence[Lookup], expected: str, transport: str) -> dict[str, Measure]:
    answered = [lookup for lookup in lookups if lookup.reply]
    good_count = sum(not _failure_of(lookup, expected) for lookup in lookups)
    truncated: Measure = "N"
    if transport == "udp":
        truncated = float(any(lookup.is_truncated for lookup in answered)) if answered else "T"
    return {
        "dns.lookup.duration": mean_or([lookup.seconds for lookup in answered], "T"),
        "dns.response.truncated": truncated,
        **_measure_replies([lookup.reply for lookup in answered if lookup.reply]),
        "dns.timeout.ratio": ratio(len(lookups) - len(answered), len(lookups)),
        "net.availability.ratio": ratio(good_count, len(lookups)),
    }


def _measure_replies(replies: Sequence[Reply]) -> dict[str, Measure]:
    ttls = [
        reply.smallest_ttl_seconds for reply in replies if reply.smallest_ttl_seconds is not None
    ]
    is_authenticated = float(all(reply.is_authenticated for reply in replies))
    return {
        "dns.answer.count": mean_or([reply.record_count for reply in replies], "T"),
        "dns.answer.ttl": mean_or(ttls, "N" if replies else "T"),
        "dns.response.size": mean_or([reply.size_bytes for reply in replies], "T"),
        "dns.dnssec.authenticated": is_authenticated if replies else "T",
    }


def _failure_of(lookup: Lookup, expected: str) -> str:
    """Why the query was no success; empty when it was."""
    if lookup.reply is None:
        return lookup.error
    if lookup.reply.code != "NOERROR":
        return lookup.reply.code
    is_expected = not expected or expected in lookup.reply.answers
    return "" if is_expected else "no answer equals the expected one"
