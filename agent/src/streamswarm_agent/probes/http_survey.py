"""What an `http` run tries once beside its requests: kept connections, caches, the origin."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from streamswarm_agent.errors import TargetRefused
from streamswarm_agent.probes.base import Clock, Resolver
from streamswarm_agent.probes.http_exchange import (
    Answer,
    Exchange,
    Exchanger,
    ExchangeSettings,
    open_transport,
)
from streamswarm_agent.probes.http_headers import find_provider, read_cache
from streamswarm_agent.probes.measures import Measure
from streamswarm_agent.probes.targets import WebAddress, is_address

FindCanonicalName = Callable[[str], Awaitable[str]]
NOT_MODIFIED = 304
SURVEY_TIMEOUT_SECONDS = 5.0


async def find_canonical_name(host: str) -> str:
    """Where the aliases of a name end, by the system's resolver; the name itself without any."""
    flags = socket.AI_CANONNAME
    loop = asyncio.get_running_loop()
    try:
        answers = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return host
    return next((answer[3] for answer in answers if answer[3]), host)


@dataclass(frozen=True, slots=True)
class WebSurvey:
    """What was tried; None is what was not, or could not be."""

    cold: Exchange | None = None
    warm: Exchange | None = None
    busted: Exchange | None = None
    revalidated: Exchange | None = None
    origin: Exchange | None = None
    provider: str = ""


class Surveyor:
    """Tries a URL over one kept connection."""

    def __init__(
        self,
        clock: Clock,
        resolver: Resolver,
        settings: ExchangeSettings,
        find_name: FindCanonicalName = find_canonical_name,
    ) -> None:
        seconds = min(settings.timeout_seconds, SURVEY_TIMEOUT_SECONDS)
        self._settings = replace(settings, timeout_seconds=seconds)
        self._clock = clock
        self._resolver = resolver
        self._find_name = find_name

    async def survey(self, address: WebAddress) -> WebSurvey:
        """Cold, warm, past the caches, and with the validator of the answer before."""
        async with open_transport(self._settings.tls) as transport:
            exchanger = Exchanger(self._clock, self._resolver, self._settings, transport)
            cold = await exchanger.fetch(address)
            if cold.answer is None:
                return WebSurvey(cold)
            warm = await exchanger.fetch(address)
            busted = revalidated = None
            if warm.answer and read_cache(warm.answer.headers).status:
                busted = await exchanger.fetch(pass_caches(address), {"Cache-Control": "no-cache"})
            condition = find_condition(cold.answer)
            if condition:
                revalidated = await exchanger.fetch(address, condition)
        provider = await self._find_provider(cold)
        return WebSurvey(cold, warm, busted, revalidated, provider=provider)

    async def ask_origin(self, address: WebAddress) -> Exchange:
        """The same of the origin server; one that policy denies is an exchange with its reason."""
        try:
            return await Exchanger(self._clock, self._resolver, self._settings).fetch(address)
        except TargetRefused as refusal:
            return Exchange({}, is_encrypted=False, is_name_looked_up=False, error=str(refusal))

    async def _find_provider(self, exchange: Exchange) -> str:
        if exchange.answer is None:
            return ""
        name = "" if is_address(exchange.host) else await self._find_name(exchange.host)
        return find_provider(exchange.answer.headers, name)


def pass_caches(address: WebAddress) -> WebAddress:
    """The address with a query that no cache can have seen."""
    joint = "&" if "?" in address.resource else "?"
    mark = secrets.token_hex(8)
    return replace(address, resource=f"{address.resource}{joint}streamswarm={mark}")


def find_condition(answer: Answer) -> dict[str, str]:
    """The header that asks whether the answer still holds; none without a validator."""
    if "etag" in answer.headers:
        return {"If-None-Match": answer.headers["etag"]}
    if "last-modified" in answer.headers:
        return {"If-Modified-Since": answer.headers["last-modified"]}
    return {}


def measure_survey(survey: WebSurvey, edge_seconds: float | None) -> dict[str, Measure]:
    """The metrics of the survey; `edge_seconds` is the run's own mean time to the first byte."""
    return {
        "http.connection.reuse_gain": _measure_reuse(survey),
        "http.cache.effectiveness": _measure_caches(survey),
        "http.cache.revalidation": _measure_revalidation(survey),
        "http.cdn.gain": _measure_origin(survey, edge_seconds),
    }


def _measure_reuse(survey: WebSurvey) -> Measure:
    if survey.cold is None:
        return "N"
    if survey.warm is None:
        return "T"
    if survey.warm.answer and "connect" in survey.warm.phases:
        return "N"  # the server did not keep the connection
    cold, warm = survey.cold.duration_seconds, survey.warm.duration_seconds
    return "T" if cold is None or warm is None else cold - warm


def _measure_caches(survey: WebSurvey) -> Measure:
    if survey.busted is None or survey.warm is None:
        return "N"
    busted, warm = _first_byte_of(survey.busted), _first_byte_of(survey.warm)
    if busted is None or warm is None:
        return "T"
    return 1 - warm / busted if busted > 0 else "I"


def _measure_revalidation(survey: WebSurvey) -> Measure:
    if survey.revalidated is None:
        return "N"
    answer = survey.revalidated.answer
    return float(answer.status_code == NOT_MODIFIED) if answer else "T"


def _measure_origin(survey: WebSurvey, edge_seconds: float | None) -> Measure:
    if survey.origin is None:
        return "N"
    origin = _first_byte_of(survey.origin)
    return "T" if origin is None or edge_seconds is None else origin - edge_seconds


def _first_byte_of(exchange: Exchange) -> float | None:
    """None as well for an answer without the phase, and for none."""
    return exchange.phases.get("ttfb") if exchange.answer else None
