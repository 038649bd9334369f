from typing import ClassVar

from apps.ml.diagnosis.case import Case
from apps.ml.diagnosis.judgement import (
    Cleared,
    Evidence,
    Judgement,
    Layer,
    NotJudged,
    Priority,
    Proof,
    Symptom,
    Verdict,
    quote,
)
from apps.ml.diagnosis.symptoms import LATENESS_KEY, find_lateness
from apps.ml.diagnosis.wording import say_seconds, say_usual_seconds

LOOKUP, PHASE, ROUND_TRIP = "dns.lookup.duration", "http.client.phase.dns", "net.rtt.median"
LEAST_SECONDS = 0.100
ROUND_TRIPS = 4.0
LATENESS_FACTOR = 2.0


class DnsSlow:
    """Names are resolved, but far later than the way to the resolver explains."""

    cause: ClassVar = "dns_slow"
    title: ClassVar = "DNS slow"
    layer: ClassVar = Layer.DNS

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric(LOOKUP, PHASE)
        if found is None:
            return NotJudged(self.cause, "no DNS test from this client: add one of its resolver")
        result, key = found
        seconds, usual = result.values[key], result.usual.get(key)
        said = quote(
            result, key, f"A look-up takes {say_seconds(seconds)}{say_usual_seconds(usual)}."
        )
        pinged = case.find_kind("ping")
        round_trip = pinged.values.get(ROUND_TRIP) if pinged is not None else None
        limit = max(LEAST_SECONDS, ROUND_TRIPS * (round_trip or 0.0))
        if seconds <= limit:
            return Cleared(self.cause, (said,))
        proof = Proof()
        proof.add(0.65, said)
        if round_trip is not None and pinged is not None:
            sentence = f"The way there takes {say_seconds(round_trip)} only."
            proof.add(0.5, quote(pinged, ROUND_TRIP, sentence))
        if usual is not None and seconds > 2 * usual.high:
            proof.add(0.3, Evidence("That is more than twice what it ever is."))
        lateness = find_lateness(case)
        if seconds - limit < lateness * LATENESS_FACTOR:
            late = say_seconds(lateness)
            proof.add(-0.6, Evidence(f"The host itself was {late} late.", LATENESS_KEY, lateness))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Use a resolver nearby or one that caches; look at its forwarders.",
            explains=frozenset({Symptom.LATENCY}),
            priority=Priority.PLANNED,
        )
