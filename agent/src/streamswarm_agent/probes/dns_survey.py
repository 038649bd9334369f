"""What a `dns` run asks once beside its queries: cold and warm, each transport, other resolvers."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.dns_lookup import Lookup, Questioner, Reply, Transport
from streamswarm_agent.probes.measures import Measure, mean_or
from streamswarm_agent.probes.targets import parse_host

if TYPE_CHECKING:
    from dns.name import Name

PAIRS = 3
MAX_RESOLVERS = 8
MAX_LISTED_ANSWERS = 20
MAX_ANSWER_LENGTH = 255
LABEL_BYTES = 8
TIMED_TRANSPORTS: tuple[Transport, ...] = ("tcp", "dot", "doh")
CACHED_CODES = frozenset({"NOERROR", "NXDOMAIN"})
"""What a resolver keeps; a failure of its own says nothing of its cache (RFC 2308)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A name and the type of the records wanted of it."""

    name: "Name"
    record_type: str


@dataclass(slots=True)
class Survey:
    """Asks one resolver beyond the run's own queries, and keeps what came of it."""

    question: Question
    make_questioner: Callable[[Transport], Questioner]
    is_asked: bool = False
    pairs: list[tuple[Lookup, Lookup]] | None = None
    by_transport: dict[Transport, Lookup] = field(default_factory=dict)

    async def compare_cold_and_warm(self, transport: Transport) -> None:
        """Names under the question's that nobody can have asked for before, each twice.

        Nothing is asked under the root, whose servers are everybody's.
        """
        import dns.exception
        import dns.name

        zone = self.question.name
        if zone == dns.name.root:
            return
        labels = [secrets.token_hex(LABEL_BYTES) for _ in range(PAIRS)]
        try:
            names = [dns.name.Name((label.encode(), *zone.labels)) for label in labels]
        except dns.exception.DNSException:  # the name fills the 255 bytes by itself
            return
        self.is_asked = True
        questioner = self.make_questioner(transport)
        self.pairs = []
        for name in names:
            cold = await questioner.ask(name, self.question.record_type)
            warm = await questioner.ask(name, self.question.record_type)
            self.pairs.append((cold, warm))
            if not _is_kept(cold, warm):
                break

    async def try_transports(self, used: Transport) -> None:
        """One query over each of TCP, TLS and HTTPS but the one that the run used."""
        self.is_asked = True
        wanted = [transport for transport in TIMED_TRANSPORTS if transport != used]
        lookups = await asyncio.gather(
            *(
                self.make_questioner(transport).ask(self.question.name, self.question.record_type)
                for transport in wanted
            )
        )
        self.by_transport = dict(zip(wanted, lookups, strict=True))


def parse_resolvers(text: str) -> list[str]:
    """The hosts of a list with commas. Raises: ProbeFailed naming the field."""
    hosts = [parse_host(part.strip(), "resolvers") for part in text.split(",") if part.strip()]
    if len(hosts) > MAX_RESOLVERS:
        raise ProbeFailed(f"resolvers: at most {MAX_RESOLVERS}")
    return hosts


def measure_survey(
    survey: Survey,
    rows: Sequence[Mapping[str, Any]],
    lookups: Sequence[Lookup],
    transport: Transport,
) -> dict[str, Measure]:
    """The metrics of the survey and the rows of resolvers; `lookups` are the run's own."""
    by_transport = survey.by_transport
    durations: dict[str, Measure] = {}
    for timed in TIMED_TRANSPORTS:
        found = lookups if timed == transport else []
        found = [by_transport[timed]] if timed in by_transport else found
        answered = [lookup.seconds for lookup in found if lookup.reply]
        durations[f"dns.lookup.duration.{timed}"] = mean_or(answered, "T" if found else "N")
    return {
        **_measure_cache(survey.pairs),
        **durations,
        "dns.resolver.consistency": measure_consistency(rows),
    }


def measure_consistency(rows: Sequence[Mapping[str, Any]]) -> Measure:
    """Share of the resolvers asked that give the most common answer; N for one alone.

    I when fewer than two answered. Answers are equal when code and records are, in any order.
    """
    if len(rows) <= 1:
        return "N"
    answers = Counter((row["code"], *row["answers"]) for row in rows if not row["error"])
    if answers.total() <= 1:
        return "I"
    return max(answers.values()) / len(rows)


def describe_resolver(host: str, lookup: Lookup) -> dict[str, Any]:
    """A row of the result's table of resolvers."""
    row: dict[str, Any] = {"resolver": host, "error": lookup.error}
    reply = lookup.reply
    if reply is None:
        return row
    return {
        **row,
        "seconds": lookup.seconds,
        "code": reply.code,
        "answers": list_answers(reply),
        "ttl": reply.smallest_ttl_seconds,
        "is_authenticated": reply.is_authenticated,
    }


def list_answers(reply: Reply) -> list[str]:
    """The first answers in their sorted order, each cut to 255 characters."""
    return [answer[:MAX_ANSWER_LENGTH] for answer in sorted(reply.answers)[:MAX_LISTED_ANSWERS]]


def _measure_cache(pairs: Sequence[tuple[Lookup, Lookup]] | None) -> dict[str, Measure]:
    names = ("dns.lookup.duration.cold", "dns.lookup.duration.warm", "dns.cache.effectiveness")
    if pairs is None:
        return dict.fromkeys(names, "N")
    kept = [(cold.seconds, warm.seconds) for cold, warm in pairs if _is_kept(cold, warm)]
    if not kept:
        return dict.fromkeys(names, "T")
    cold = mean_or([pair[0] for pair in kept], "T")
    warm = mean_or([pair[1] for pair in kept], "T")
    effectiveness: Measure = "I"
    if not isinstance(cold, str) and not isinstance(warm, str) and cold > 0:
        effectiveness = 1 - warm / cold
    return dict(zip(names, (cold, warm, effectiveness), strict=True))


def _is_kept(cold: Lookup, warm: Lookup) -> bool:
    replies = [lookup.reply for lookup in (cold, warm)]
    return all(reply is not None and reply.code in CACHED_CODES for reply in replies)
