"""A TLS server looked at: handshakes with their verdict, and what it offers beside."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from streamswarm_agent.probes.measures import failure_text
from streamswarm_agent.probes.tls_certificate import Certificate, read_certificate
from streamswarm_agent.probes.tls_handshake import Handshake, Handshaker, StartTlsRefused
from streamswarm_agent.probes.tls_hello import TLS_1_0, TLS_1_1, TLS_1_2, Version

TlsFactory = Callable[[bool], ssl.SSLContext]
OLD_VERSIONS: tuple[tuple[Version, str], ...] = ((TLS_1_0, "TLSv1"), (TLS_1_1, "TLSv1.1"))
LAX_CIPHERS = "DEFAULT:@SECLEVEL=0"
FAILURES = (OSError, TimeoutError, EOFError, StartTlsRefused)


@dataclass(frozen=True, slots=True)
class Look:
    """What one attempt came to.

    `verdict` is empty when the chain is trusted, else why not; `is_judged` is false when only a
    handshake without judgement came about. Without a handshake, `error` tells why.
    """

    handshake: Handshake | None = None
    chain: tuple[Certificate, ...] = ()
    is_judged: bool = False
    verdict: str = ""
    is_lax: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Extras:
    """What is asked once a run; None is not known."""

    is_resumed: bool | None = None
    is_stapled: bool | None = None
    old_versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contexts:
    """Three ways to shake hands: as browsers do, with old parameters too, and with anybody."""

    strict: ssl.SSLContext
    lax: ssl.SSLContext
    open: ssl.SSLContext


def make_contexts(make_tls: TlsFactory, protocols: list[str]) -> Contexts:
    """The contexts; all offer the protocols by ALPN, and none compares the host's name itself."""
    strict, lax, anybody = make_tls(True), make_tls(True), make_tls(False)
    for context in (lax, anybody):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers(LAX_CIPHERS)
    for context in (strict, lax, anybody):
        context.check_hostname = False
        if protocols:
            context.set_alpn_protocols(protocols)
    return Contexts(strict, lax, anybody)


class Inspector:
    """Looks at one server."""

    def __init__(self, handshaker: Handshaker, contexts: Contexts) -> None:
        self._handshaker = handshaker
        self._contexts = contexts

    async def look(self) -> Look:
        """A judged handshake; where the chain fails, a second one tells what it is."""
        try:
            return await self._judge(self._contexts.strict, is_lax=False)
        except (ssl.SSLError, EOFError, ConnectionResetError) as failure:
            # Servers of old versions alone send an alert, or just hang up.
            strict_error = failure_text(failure)
        except FAILURES as failure:
            return Look(error=_explain(failure))
        try:
            return await self._judge(self._contexts.lax, is_lax=True)
        except FAILURES:
            return Look(error=strict_error)

    async def look_closer(self, look: Look) -> Extras:
        """Resumption, stapling and old versions; what gives no answer is left unknown."""
        context = self._contexts.strict if look.is_judged and not look.verdict else None
        is_resumed = await self._resume(context or self._contexts.open)
        old_versions = [name for version, name in OLD_VERSIONS if await self._offers(version)]
        return Extras(is_resumed, await self._is_stapled(), tuple(old_versions))

    async def _judge(self, context: ssl.SSLContext, *, is_lax: bool) -> Look:
        verdict = ""
        try:
            handshake = await self._handshaker.shake(context)
        except ssl.SSLCertVerificationError as failure:
            verdict = failure.verify_message
            handshake = await self._handshaker.shake(self._contexts.open)
        chain = [read_certificate(der) for der in handshake.chain]
        return Look(
            handshake=handshake,
            chain=tuple(certificate for certificate in chain if certificate),
            is_judged=True,
            verdict=verdict,
            is_lax=is_lax,
        )

    async def _resume(self, context: ssl.SSLContext) -> bool | None:
        try:
            first = await self._handshaker.shake(context, is_ticket_wanted=True)
            if first.session is None or not (first.session.has_ticket or first.session.id):
                return None
            return (await self._handshaker.shake(context, first.session)).is_resumed
        except FAILURES:
            return None

    async def _offers(self, version: Version) -> bool:
        try:
            return (await self._handshaker.greet(version)).version == version
        except FAILURES:
            return False

    async def _is_stapled(self) -> bool | None:
        """Asked with TLS 1.2, which answers in the clear; a server of TLS 1.3 alone stays dark."""
        try:
            flight = await self._handshaker.greet(TLS_1_2)
        except FAILURES:
            return None
        return flight.is_stapled if flight.version else None


def describe_weaknesses(look: Look, extras: Extras) -> list[str]:
    """Sentences about protocol versions and suites that no longer protect."""
    weaknesses = [f"{version} is offered" for version in extras.old_versions]
    if look.is_lax:
        weaknesses.append("only old versions or weak parameters are offered")
    return weaknesses


def _explain(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    if isinstance(failure, ConnectionRefusedError):
        return "connection refused"
    return failure_text(failure)
