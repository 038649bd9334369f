"""One DNS query, timed."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import httpx

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.measures import failure_text
from streamswarm_agent.probes.targets import bracketed

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage
    from dns.name import Name

Transport = Literal["udp", "tcp", "dot", "doh"]
Exchange = Callable[["QueryMessage"], Awaitable["tuple[Message, bool]"]]
MESSAGE_TYPE = "application/dns-message"
MAX_MESSAGE_BYTES = 1 << 16
PAYLOAD_BYTES = 1232
"""The largest answer over UDP that needs no fragments (DNS flag day 2020)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a resolver said; `answers` are the records of the wanted type, in one form.

    `edns_payload_bytes` is the largest message over UDP that it takes, None without EDNS.
    """

    code: str
    record_count: int
    smallest_ttl_seconds: int | None
    size_bytes: int
    is_authenticated: bool
    answers: tuple[str, ...]
    edns_payload_bytes: int | None = None


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


@dataclass(frozen=True, slots=True)
class Server:
    """A resolver at an address that policy allows; `host` is the name its certificate must bear."""

    host: str
    address: str
    ports: Mapping[Transport, int]
    doh_path: str
    tls: ssl.SSLContext


class Questioner:
    """Asks one resolver for one name and record type, each time with a new query.

    The query carries EDNS with 1,232 bytes and sets AD, which asks for the resolver's own judgement
    of DNSSEC (RFC 6840 section 5.7). Over UDP a truncated answer is asked for again over TCP within
    the same time-out. Over TCP, TLS (RFC 7858) and HTTPS (RFC 8484) each query opens a connection
    of its own, whose opening counts.
    """

    def __init__(
        self, clock: Clock, server: Server, transport: Transport, timeout_seconds: float
    ) -> None:
        self._clock = clock
        self._server = server
        self._timeout_seconds = timeout_seconds
        exchanges: Mapping[Transport, Exchange] = {
            "udp": self._exchange_udp,
            "tcp": self._exchange_tcp,
            "dot": self._exchange_tls,
            "doh": self._exchange_https,
        }
        self._exchange = exchanges[transport]
        self._port = server.ports[transport]

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
        except (dns.exception.DNSException, httpx.HTTPError, OSError, EOFError) as failure:
            return Lookup(self._clock.monotonic() - start, error=failure_text(failure))
        seconds = self._clock.monotonic() - start
        return Lookup(seconds, _read_reply(response, record_type), is_truncated)

    async def _exchange_udp(self, query: "QueryMessage") -> "tuple[Message, bool]":
        import dns.asyncquery

        return await dns.asyncquery.udp_with_fallback(
            query,
            self._server.address,
            port=self._port,
            ignore_unexpected=True,
            ignore_errors=True,
        )

    async def _exchange_tcp(self, query: "QueryMessage") -> "tuple[Message, bool]":
        import dns.asyncquery

        return await dns.asyncquery.tcp(query, self._server.address, port=self._port), False

    async def _exchange_tls(self, query: "QueryMessage") -> "tuple[Message, bool]":
        import dns.asyncquery

        response = await dns.asyncquery.tls(
            query,
            self._server.address,
            port=self._port,
            ssl_context=self._server.tls,
            server_hostname=self._server.host,
        )
        return response, False

    async def _exchange_https(self, query: "QueryMessage") -> "tuple[Message, bool]":
        """By hand: the library would look names up by itself, past the policy."""
        import dns.message

        request = httpx.Request(
            "POST",
            f"https://{bracketed(self._server.address)}:{self._port}{self._server.doh_path}",
            headers={
                "Host": f"{bracketed(self._server.host)}:{self._port}",
                "Accept": MESSAGE_TYPE,
                "Content-Type": MESSAGE_TYPE,
            },
            content=query.to_wire(),
            extensions={"sni_hostname": self._server.host},
        )
        async with httpx.AsyncHTTPTransport(self._server.tls, trust_env=False) as transport:
            wire = await _read_message(await transport.handle_async_request(request))
        response = dns.message.from_wire(wire)
        if not query.is_response(response):
            raise EOFError("the answer is not to the question")
        return response, False


async def _read_message(response: httpx.Response) -> bytes:
    try:
        if response.status_code != httpx.codes.OK:
            raise EOFError(f"status {response.status_code}")
        wire = b""
        async for piece in response.aiter_raw():
            wire += piece
            if len(wire) > MAX_MESSAGE_BYTES:
                raise EOFError("the answer is longer than a DNS message")
        return wire
    finally:
        await response.aclose()


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
        edns_payload_bytes=response.payload if response.edns >= 0 else None,
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
