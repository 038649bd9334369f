"""One web request in its phases, redirects included."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urljoin

import httpx

from streamswarm_agent.errors import ProbeFailed, TargetRefused
from streamswarm_agent.probes.base import Clock, Resolver
from streamswarm_agent.probes.http_body import Body, BodyReader
from streamswarm_agent.probes.measures import failure_text
from streamswarm_agent.probes.targets import WebAddress, is_address, parse_web_address

Phase = Literal["dns", "connect", "tls", "request", "ttfb", "transfer"]
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PHASE_MARKS: Mapping[Phase, tuple[str, str]] = {
    "dns": ("hop.started", "name.resolved"),
    "connect": ("connection.connect_tcp.started", "connection.connect_tcp.complete"),
    "tls": ("connection.start_tls.started", "connection.start_tls.complete"),
    "request": ("http11.send_request_headers.started", "http11.send_request_body.complete"),
    "ttfb": ("http11.send_request_body.complete", "http11.receive_response_headers.complete"),
    "transfer": ("http11.receive_response_headers.complete", "body.read"),
}
HEADERS = {"User-Agent": "StreamSwarm", "Accept": "*/*", "Accept-Encoding": "gzip"}


def open_transport(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """A pool of connections, without proxies."""
    return httpx.AsyncHTTPTransport(tls, trust_env=False)


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """What to ask for and within which limits."""

    method: str
    timeout_seconds: float
    max_redirects: int
    max_body_bytes: int
    wanted_text: str
    tls: ssl.SSLContext
    kept_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The last response: its status, protocol version, content encoding, body and head.

    `headers` have lower-case names; values of one that came several times are joined by commas.
    """

    status_code: int
    version: str
    encoding: str
    body: Body
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request came to.

    `phases` has the seconds of each phase of the last hop that was reached; `answer` and
    `duration_seconds` (from the first look-up to the last byte) are None when none came, and
    `error` tells why. `mismatch` is what is wrong with the body, once it was judged.
    """

    phases: Mapping[Phase, float]
    is_encrypted: bool
    is_name_looked_up: bool
    redirect_count: int = 0
    redirect_seconds: float = 0.0
    duration_seconds: float | None = None
    answer: Answer | None = None
    error: str = ""
    mismatch: str = ""
    host: str = ""


@dataclass(slots=True)
class _Hop:
    """Where the exchange has got to, with the times of what happened on this hop."""

    address: WebAddress
    redirect_count: int = 0
    marks: dict[str, float] = field(default_factory=dict)

    def follow(self, location: str) -> None:
        self.address = parse_web_address(urljoin(self.address.url, location), "redirect")
        self.redirect_count += 1
        self.marks.clear()

    @property
    def phases(self) -> dict[Phase, float]:
        return {
            phase: self.marks[end] - self.marks[start]
            for phase, (start, end) in PHASE_MARKS.items()
            if start in self.marks and end in self.marks
        }


class Exchanger:
    """Asks for a URL over a fresh connection for each hop, without proxies or cookies.

    Every hop's name goes through the resolver, and the connection to the address it allowed, so
    that neither a redirect nor a changed name leads to a network that policy denies. The first byte
    is taken to be in when the response's head is complete. Given a transport, it uses that for all
    hops, so that connections are kept; whoever gave it closes it.
    """

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        settings: ExchangeSettings,
        transport: httpx.AsyncHTTPTransport | None = None,
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._settings = settings
        self._transport = transport

    async def fetch(
        self, address: WebAddress, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """The exchange, failures included; `headers` go along on every hop.

        Raises: TargetRefused when policy denies the first address.
        """
        start = self._clock.monotonic()
        hop = _Hop(address)
        answer: Answer | None = None
        error = ""
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                answer = await self._follow(hop, headers or {})
        except TimeoutError:
            error = "no answer in time"
        except TargetRefused as refusal:
            if not hop.redirect_count:
                raise
            error = f"redirect: {refusal}"
        except (ProbeFailed, httpx.HTTPError, httpx.InvalidURL, zlib.error) as failure:
            error = failure_text(failure)
        end = self._clock.monotonic()
        return Exchange(
            phases=hop.phases,
            is_encrypted=hop.address.scheme == "https",
            is_name_looked_up=not is_address(hop.address.host),
            redirect_count=hop.redirect_count,
            redirect_seconds=hop.marks.get("hop.started", end) - start,
            duration_seconds=end - start if answer else None,
            answer=answer,
            error=error,
            host=hop.address.host,
        )

    async def _follow(self, hop: _Hop, headers: Mapping[str, str]) -> Answer:
        while not isinstance(found := await self._ask(hop, headers), Answer):
            if hop.redirect_count == self._settings.max_redirects:
                raise ProbeFailed(f"more than {self._settings.max_redirects} redirects")
            hop.follow(found)
        return found

    async def _ask(self, hop: _Hop, headers: Mapping[str, str]) -> Answer | str:
        """The answer, or where it says to go on."""
        hop.marks["hop.started"] = self._clock.monotonic()
        address = await self._resolver.resolve(hop.address.host)
        if not is_address(hop.address.host):
            hop.marks["name.resolved"] = self._clock.monotonic()
        async with self._open_transport() as transport:
            request = self._request(hop, address, headers)
            response = await transport.handle_async_request(request)
            try:
                location = response.headers.get("location", "")
                is_redirect = response.status_code in REDIRECTS and bool(location)
                if is_redirect and self._settings.max_redirects:
                    return str(location)
                return await self._read(response, hop)
            finally:
                await response.aclose()

    @asynccontextmanager
    async def _open_transport(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        if self._transport is not None:
            yield self._transport
            return
        async with open_transport(self._settings.tls) as transport:
            yield transport

    def _request(self, hop: _Hop, address: str, headers: Mapping[str, str]) -> httpx.Request:
        async def mark(event: str, _: Mapping[str, Any]) -> None:
            hop.marks[event] = self._clock.monotonic()

        return httpx.Request(
            self._settings.method,
            hop.address.url_at(address),
            headers={**HEADERS, **headers, "Host": hop.address.authority},
            extensions={"trace": mark, "sni_hostname": hop.address.host},
        )

    async def _read(self, response: httpx.Response, hop: _Hop) -> Answer:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        settings = self._settings
        reader = BodyReader(
            encoding,
            settings.max_body_bytes,
            settings.wanted_text,
            kept_bytes=settings.kept_bytes,
        )
        body = await reader.read(response.aiter_raw())
        hop.marks["body.read"] = self._clock.monotonic()
        version: bytes = response.extensions["http_version"]
        return Answer(
            status_code=response.status_code,
            version=version.decode("ascii").removeprefix("HTTP/"),
            encoding=encoding,
            body=body,
            headers=dict(response.headers),
        )
