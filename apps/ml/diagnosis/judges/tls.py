from typing import ClassVar

from apps.ml.diagnosis.case import Case, Observation
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
    refer,
)
from apps.ml.diagnosis.wording import DAY_SECONDS

EXPIRES = "tls.certificate.expires_in"
VALID, MATCHES = "tls.certificate.valid", "tls.certificate.hostname_match"
WARNED_SECONDS = 14 * DAY_SECONDS
TLS_WORDS = ("certificate", "ssl", "tls", "handshake")


class TlsTrouble:
    """The certificate or the handshake is refused, or soon will be."""

    cause: ClassVar = "tls"
    title: ClassVar = "TLS or certificate"
    layer: ClassVar = Layer.TLS

    def judge(self, case: Case) -> Judgement:
        looked = case.find_metric(EXPIRES, VALID)
        refused = [one for one in case.iterate_results() if is_refused(one)]
        if looked is None and not refused:
            return NotJudged(self.cause, "no TLS test of this target: add one")
        proof = Proof()
        advice: list[str] = []
        if looked is not None:
            weigh_certificate(proof, looked[0], advice)
        for one in refused:
            sentence = f"The {one.kind} test says: {one.reason}."
            proof.add(0.8, refer(one, sentence))
        if not proof.evidence:
            return Cleared(self.cause, (Evidence("The certificate is valid and is trusted."),))
        is_failing = bool(refused) or any(
            one.has_failed and one.kind in {"tls", "http"} for one in case.iterate_results()
        )
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=" ".join(advice) or "Look at the server's TLS configuration and chain.",
            explains=frozenset({Symptom.FAILURE}) if is_failing else frozenset(),
            priority=Priority.NOW if is_failing else Priority.PLANNED,
        )


def is_refused(one: Observation) -> bool:
    reason = one.reason.lower()
    return one.has_failed and any(word in reason for word in TLS_WORDS)


def weigh_certificate(proof: Proof, looked: Observation, advice: list[str]) -> None:
    left = looked.values.get(EXPIRES)
    if left is not None and left < 0:
        days = f"{-left / DAY_SECONDS:.0f} days"
        proof.add(0.95, quote(looked, EXPIRES, f"The certificate expired {days} ago."))
        advice.append("Renew the certificate.")
    elif left is not None and left < WARNED_SECONDS:
        days = f"{left / DAY_SECONDS:.0f} days"
        proof.add(0.85, quote(looked, EXPIRES, f"The certificate expires in {days}."))
        advice.append("Renew the certificate before that.")
    if looked.values.get(MATCHES) == 0:
        proof.add(0.9, quote(looked, MATCHES, "The certificate is for another name."))
        advice.append("Install the certificate of this name, or correct the name asked for.")
    if looked.values.get(VALID) == 0 and not (left is not None and left < 0):
        proof.add(0.85, quote(looked, VALID, "The chain is not trusted."))
        advice.append("Complete the chain, or have a trusted authority sign it.")
