"""The `tls` probe: handshake, certificate and what else a TLS server offers."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from streamswarm_agent.errors import NameNotResolved
from streamswarm_agent.probes.base import Clock, Emit, Outcome, ProbeRequest, Resolver
from streamswarm_agent.probes.http import make_tls_context
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
from streamswarm_agent.probes.tls_certificate import find_weaknesses, fingerprint_of
from streamswarm_agent.probes.tls_handshake import Endpoint, Handshaker
from streamswarm_agent.probes.tls_inspection import (
    Extras,
    Inspector,
    Look,
    TlsFactory,
    describe_weaknesses,
    make_contexts,
)

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold for a handshake to be a success."""

    host: str
    is_trust_required: bool
    warn_seconds: float


class TlsProbe:
    """Shakes hands with a server over a fresh connection each interval.

    Success of a handshake: the chain is trusted (unless the test does not ask for that), names the
    host, and has more than `warn_days` left. The certificate is that of the newest handshake, times
    to its expiry count from the end of the interval by the host's clock; the handshake's duration
    is a mean in seconds without the TCP connection. Resumption, stapling and old versions are asked
    once, at the end. `is_success`: at least one handshake succeeded.
    """

    kind: ClassVar[str] = "tls"

    def __init__(
        self, clock: Clock, resolver: Resolver, make_tls: TlsFactory = make_tls_context
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._make_tls = make_tls

    async def run(self, request: ProbeRequest, emit: Emit) -> Outcome:
        """Shake hands for the run's duration; see the class. Raises: ProbeFailed."""
        parameters = request.parameters
        host = parse_host(request.target)
        name = parse_host(parameters["server_name"] or host, "server_name")
        expectation = Expectation(
            host=name,
            is_trust_required=parameters["is_trust_required"],
            warn_seconds=parameters["warn_days"] * DAY_SECONDS,
        )
        try:
            address = await self._resolver.resolve(host, parameters["ip_version"])
        except NameNotResolved as error:
            return await self._report_unresolved(error, expectation, emit)
        inspector = await self._make_inspector(address, name, parameters)

        async def report(looks: Sequence[Look]) -> None:
            await emit(sample_of(_measure(looks, expectation, self._clock.wall())))

        schedule = AttemptSchedule(self._clock, request, inspector.look, report)
        course = await schedule.run()
        newest = find_newest(course.results)
        extras = await inspector.look_closer(newest) if newest else Extras()
        return self._conclude(course, expectation, extras, address=address)

    async def _make_inspector(
        self, address: str, name: str, parameters: Mapping[str, Any]
    ) -> Inspector:
        protocols = [text.strip() for text in parameters["alpn"].split(",") if text.strip()]
        contexts = await asyncio.to_thread(make_contexts, self._make_tls, protocols)
        endpoint = Endpoint(
            address=address,
            port=int(parameters["port"]),
            server_name=name,
            start_tls=parameters["start_tls"],
            timeout_seconds=float(parameters["timeout_seconds"]),
        )
        return Inspector(Handshaker(self._clock, endpoint), contexts)

    async def _report_unresolved(
        self, error: NameNotResolved, expectation: Expectation, emit: Emit
    ) -> Outcome:
        measures = _measure([], expectation, 0.0) | {"net.availability.ratio": 0.0}
        await emit(sample_of(measures))
        sample = sample_of(measures | _measure_extras(None, Extras()) | measure_send_schedule([]))
        return Outcome(False, "tls", sample.values, sample.absent, reason=str(error))

    def _conclude(
        self, course: Course[Look], expectation: Expectation, extras: Extras, *, address: str
    ) -> Outcome:
        now = self._clock.wall()
        newest = find_newest(course.results)
        sample = sample_of(
            _measure(course.results, expectation, now)
            | _measure_extras(newest, extras)
            | measure_send_schedule(course.errors_seconds)
        )
        failures = Counter(explain_failure(look, expectation, now) for look in course.results)
        failures.pop("", None)
        return Outcome(
            is_success=sample.values.get("net.availability.ratio", 0.0) > 0,
            method="tls",
            values=sample.values,
            absent=sample.absent,
            facts=_tell_facts(newest) if newest else {},
            document={
                "address": address,
                "failures": dict(failures.most_common(10)),
                **(_describe(newest, extras) if newest else {}),
            },
            reason=describe_failures(failures),
        )


def find_newest(looks: Sequence[Look]) -> Look | None:
    """The last attempt that came to a handshake."""
    return next((look for look in reversed(looks) if look.handshake), None)


def explain_failure(look: Look, expectation: Expectation, now: float) -> str:
    """Why the handshake was no success; empty when it was."""
    if look.handshake is None:
        return look.error
    if expectation.is_trust_required and look.verdict:
        return look.verdict
    if not look.chain:
        return ""
    own = look.chain[0]
    if not own.is_for(expectation.host):
        return f"the certificate is not for {expectation.host}"
    if own.not_after - now < expectation.warn_seconds:
        return f"the certificate expires in {(own.not_after - now) / DAY_SECONDS:.1f} days"
    return ""


def _measure(looks: Sequence[Look], expectation: Expectation, now: float) -> dict[str, Measure]:
    good_count = sum(not explain_failure(look, expectation, now) for look in looks)
    durations = [look.handshake.seconds for look in looks if look.handshake]
    return {
        "tls.handshake.duration": mean_or(durations, "T"),
        **_measure_certificate(find_newest(looks), expectation, now),
        "net.availability.ratio": ratio(good_count, len(looks)),
    }


def _measure_certificate(
    look: Look | None, expectation: Expectation, now: float
) -> dict[str, Measure]:
    if look is None:
        names = ("expires_in", "valid", "hostname_match")
        return dict.fromkeys((f"tls.certificate.{name}" for name in names), "T")
    own = look.chain[0] if look.chain else None
    return {
        "tls.certificate.expires_in": own.not_after - now if own else "U",
        "tls.certificate.valid": float(not look.verdict),
        "tls.certificate.hostname_match": float(own.is_for(expectation.host)) if own else "U",
    }


def _measure_extras(look: Look | None, extras: Extras) -> dict[str, Measure]:
    if look is None or look.handshake is None:
        keys = (
            "tls.session.resumed",
            "tls.certificate.chain_length",
            "tls.certificate.key_bits",
            "tls.ocsp.stapled",
        )
        return dict.fromkeys(keys, "T")
    key_bits = look.chain[0].key_bits if look.chain else None
    is_chain_known = look.handshake.is_chain_known
    return {
        "tls.session.resumed": "N" if extras.is_resumed is None else float(extras.is_resumed),
        "tls.certificate.chain_length": len(look.handshake.chain) if is_chain_known else "U",
        "tls.certificate.key_bits": "U" if key_bits is None else key_bits,
        "tls.ocsp.stapled": "U" if extras.is_stapled is None else float(extras.is_stapled),
    }


def _tell_facts(look: Look) -> dict[str, str]:
    handshake = look.handshake
    if handshake is None:
        return {}
    facts = {
        "tls.version": handshake.version,
        "tls.cipher": handshake.cipher,
        "tls.alpn": handshake.alpn,
        "tls.certificate.signature_algorithm": (
            look.chain[0].signature_algorithm if look.chain else ""
        ),
        "tls.certificate.fingerprint": (
            fingerprint_of(handshake.chain[0]) if handshake.chain else ""
        ),
    }
    return {key: text for key, text in facts.items() if text}


def _describe(look: Look, extras: Extras) -> dict[str, Any]:
    return {
        "verdict": look.verdict or "trusted",
        "certificates": [certificate.as_document() for certificate in look.chain[:10]],
        "weaknesses": [*describe_weaknesses(look, extras), *find_weaknesses(look.chain)][:20],
    }
