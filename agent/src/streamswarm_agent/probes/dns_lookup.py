"""One DNS query, timed."""

import asyncio
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.measures import failure_text

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage
    from dns.name import Name

Transport = Literal["udp", "tcp"]
PAYLOAD_BYTES = 1232
"""The largest answer over UDP that needs no fragments (DNS flag day 2020)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a resolver said; `answers` are the records of the wanted type, in one form."""

    code: str
    record_count: int
    smallest_ttl_seconds: int | None
    size_bytes: int
    is_authenticated: bool
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one query came to after `seconds`; without a reply, `error` tells why."""

    seconds: float
    reply: Reply | None = None
    is_truncated: bool = False
    error: str = ""


def system_nameservers() -> Sequence[str]:
    """Addresses of the resolvers that this host is configured to use; may be none."""
    import dns.resolver

    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return []


class Questioner:
    """Asks one resolver for one name and record type, each time with a new query.

    The query carries EDNS with 1,232 bytes and sets AD, which asks for the resolver's own judgement
    of DNSSEC (RFC 6840 section 5.7). Over UDP a truncated answer is asked for again over TCP within
    the same time-out.
    """

    def __init__(
        self, clock: Clock, address: str, port: int, transport: Transport, timeout_seconds: float
    ) -> None:
        self._clock = clock
        self._address = address
        self._port = port
        self._transport = transport
        self._timeout_seconds = timeout_seconds

    async def ask(self, name: "Name", record_type: str) -> Lookup:
        """The lookup, silence and errors included."""
        import dns.exception

        query = _make_query(name, record_type)
        start = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response, is_truncated = await self._exchange(query)
        except (TimeoutError, dns.exception.Timeout):
            return Lookup(self._clock.monotonic() - start, error="no answer in time")
        except (dns.exception.DNSException, OSError, EOFError) as failure:
            return Lookup(self._clock.monotonic() - start, error=failure_text(failure))
        seconds = self._clock.monotonic() - start
        return Lookup(seconds, _read_reply(response, record_type), is_truncated)

    async def _exchange(self, query: "QueryMessage") -> "tuple[Message, bool]":
        import dns.asyncquery

        if self._transport == "tcp":
            return await dns.asyncquery.tcp(query, self._address, port=self._port), False
        return await dns.asyncquery.udp_with_fallback(
            query, self._address, port=self._port, ignore_unexpected=True, ignore_errors=True
        )


def parse_query_name(text: str, record_type: str) -> "Name":
    """The absolute name to ask for; for PTR, an IP address stands for its reverse name.

    Raises: ProbeFailed naming the field.
    """
    import dns.exception
    import dns.name
    import dns.reversename

    try:
        if record_type == "PTR" and _is_address(text):
            return dns.reversename.from_address(text)
        return dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ProbeFailed(f"name: no valid DNS name ({error})") from error


def normalise_answer(text: str) -> str:
    """An answer in the form that comparisons use: no final dot, no quotes, lower case."""
    return text.strip().strip('"').removesuffix(".").lower()


def _make_query(name: "Name", record_type: str) -> "QueryMessage":
    import dns.flags
    import dns.message

    return dns.message.make_query(
        name, record_type, use_edns=0, payload=PAYLOAD_BYTES, flags=dns.flags.RD | dns.flags.AD
    )


def _read_reply(response: "Message", record_type: str) -> Reply:
    import dns.flags
    import dns.rcode

    return Reply(
        code=dns.rcode.to_text(response.rcode()),
        record_count=sum(len(records) for records in response.answer),
        smallest_ttl_seconds=min((records.ttl for records in response.answer), default=None),
        size_bytes=len(response.wire or response.to_wire()),
        is_authenticated=bool(response.flags & dns.flags.AD),
        answers=tuple(_answers_of(response, record_type)),
    )


def _answers_of(response: "Message", record_type: str) -> Iterator[str]:
    import dns.rdatatype

    wanted = dns.rdatatype.from_text(record_type)
    for records in response.answer:
        if records.rdtype == wanted:
            yield from (normalise_answer(record.to_text()) for record in records)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
