"""The `dns` probe: how long a resolver takes to answer a query, and what it says."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from streamswarm_agent.errors import NameNotResolved, ProbeFailed, TargetRefused
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.dns_lookup import (
    Lookup,
    Questioner,
    Reply,
    Server,
    Transport,
    normalise_answer,
    parse_query_name,
    system_nameservers,
)
from streamswarm_agent.probes.dns_survey import (
    Question,
    Survey,
    describe_resolver,
    list_answers,
    measure_survey,
    parse_resolvers,
)
from streamswarm_agent.probes.http import TlsFactory, make_tls_context
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

SURVEY_TIMEOUT_SECONDS = 3
"""The survey follows the run and must not outlast it by much."""


class DnsProbe:
    """Asks a resolver for a name each interval; the target `system` is the host's first resolver.

    Once a run, at the end, it asks for names that nobody can have asked for before, and again for
    the same (cold and warm), by each transport, and the resolvers beside, as far as the test wants;
    what came of it is one more sample.

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
        make_tls: TlsFactory = make_tls_context,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._read_nameservers = read_nameservers
        self._make_tls = make_tls

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Query for the run's duration; see the class. Raises: ProbeFailed."""
        parameters = request.parameters
        transport: Transport = parameters["transport"]
        question = Question(
            parse_query_name(parameters["name"], parameters["record_type"]),
            parameters["record_type"],
        )
        expected = normalise_answer(parameters["expected_answer"])
        host = self._find_host(request.target)
        others = parse_resolvers(parameters["resolvers"])
        try:
            server = await self._reach(host, parameters)
        except NameNotResolved as error:
            return await _report_unresolved(error, expected, transport, emit)
        questioner = self._question(server, transport, parameters)

        async def report(lookups: Sequence[Lookup]) -> None:
            await emit(sample_of(_measure(lookups, expected, transport)))

        schedule = AttemptSchedule(
            self._clock,
            request,
            lambda: questioner.ask(question.name, question.record_type),
            report,
        )
        course = await schedule.run()
        brief = {
            **parameters,
            "timeout_seconds": min(parameters["timeout_seconds"], SURVEY_TIMEOUT_SECONDS),
        }
        survey = Survey(question, lambda used: self._question(server, used, brief))
        if parameters["is_cache_measured"]:
            await survey.compare_cold_and_warm(transport)
        if parameters["is_every_transport_measured"]:
            await survey.try_transports(transport)
        rows = [describe_resolver(host, course.results[-1])] if course.results else []
        rows += await asyncio.gather(
            *(self._ask_beside(other, question, brief) for other in others)
        )
        measures = measure_survey(survey, rows, course.results, transport)
        if others or survey.is_asked:
            await emit(sample_of(measures))
        return _conclude(course, expected, measures, rows, method=transport, address=server.address)

    async def _reach(self, host: str, parameters: Mapping[str, Any]) -> Server:
        is_verified = parameters["is_certificate_verified"]
        return Server(
            host=host,
            address=await self._resolver.resolve(host),
            ports={
                "udp": int(parameters["port"]),
                "tcp": int(parameters["port"]),
                "dot": int(parameters["dot_port"]),
                "doh": int(parameters["doh_port"]),
            },
            doh_path=parameters["doh_path"],
            tls=await asyncio.to_thread(self._make_tls, is_verified),
        )

    def _question(
        self, server: Server, transport: Transport, parameters: Mapping[str, Any]
    ) -> Questioner:
        timeout_seconds = float(parameters["timeout_seconds"])
        return Questioner(self._clock, server, transport, timeout_seconds)

    async def _ask_beside(
        self, host: str, question: Question, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        try:
            server = await self._reach(host, parameters)
        except (NameNotResolved, TargetRefused) as error:
            return describe_resolver(host, Lookup(0.0, error=str(error)))
        questioner = self._question(server, parameters["transport"], parameters)
        return describe_resolver(host, await questioner.ask(question.name, question.record_type))

    def _find_host(self, target: str) -> str:
        if target.strip().lower() != "system":
            return parse_host(target)
        nameservers = self._read_nameservers()
        if not nameservers:
            raise ProbeFailed("target: this host is not configured to use any resolver")
        return nameservers[0]


async def _report_unresolved(
    error: NameNotResolved, expected: str, transport: Transport, emit: Emit
) -> Outcome:
    measures = _measure([], expected, transport) | {"net.availability.ratio": 0.0}
    await emit(sample_of(measures))
    sample = sample_of(measures | measure_send_schedule([]))
    return Outcome(False, transport, sample.values, sample.absent, reason=str(error))


def _conclude(
    course: Course[Lookup],
    expected: str,
    surveyed: dict[str, Measure],
    rows: Sequence[Mapping[str, Any]],
    *,
    method: str,
    address: str,
) -> Outcome:
    sample = sample_of(
        _measure(course.results, expected, method)
        | surveyed
        | measure_send_schedule(course.errors_seconds)
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
            "answers": list_answers(replies[-1]) if replies else [],
            "edns_payload": replies[-1].edns_payload_bytes if replies else None,
            "resolvers": list(rows),
            "failures": dict(failures.most_common(10)),
        },
        reason=describe_failures(failures),
    )


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
