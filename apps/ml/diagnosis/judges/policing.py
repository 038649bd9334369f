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
)
from apps.ml.diagnosis.wording import say_bits, say_ratio, say_seconds

DETECTED, RATE, BURST = "qos.policing.detected", "qos.policing.rate", "qos.policing.burst"
SHAPED = "qos.shaping.detected"
RETRANSMITTED, DELTA = "net.tcp.retransmit.ratio", "net.bufferbloat.delta"
LEAST_RETRANSMITTED = 0.02
MOST_ADDED_SECONDS = 0.015


class Policing:
    """Somebody throws away what exceeds a rate, without a queue."""

    cause: ClassVar = "policing"
    title: ClassVar = "Rate policed"
    layer: ClassVar = Layer.ACCESS

    def judge(self, case: Case) -> Judgement:
        swept = find_swept(case)
        transfer = case.find_metric(RETRANSMITTED)
        if swept is None and transfer is None:
            missing = "no QoS sweep and no TCP throughput test of this target"
            return NotJudged(self.cause, missing)
        proof = Proof()
        rate = None
        if swept is not None:
            result, suffix = swept
            rate = result.values.get(RATE + suffix)
            if not result.values[DETECTED + suffix]:
                return Cleared(
                    self.cause, (quote(result, DETECTED + suffix, "A steady rate passes."),)
                )
            proof.add(0.9, quote(result, RATE + suffix, say_policed(result, suffix)))
        if transfer is not None:
            weigh_transfer(proof, transfer[0])
        if not proof.evidence or proof.confidence <= 0:
            return Cleared(self.cause, tuple(proof.evidence))
        limit = f" ({say_bits(rate)})" if rate else ""
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=f"Shape below the contract's rate{limit}, or ask the provider to shape "
            "instead of dropping.",
            explains=frozenset({Symptom.LOSS, Symptom.THROUGHPUT}),
            priority=Priority.PLANNED,
        )


def find_swept(case: Case) -> tuple[Observation, str] | None:
    """The sweep in question, and the attributes of its direction; a policed one before others."""
    found = [
        (one, key.removeprefix(DETECTED))
        for one in case.iterate_results()
        for key in one.values
        if key.startswith(DETECTED)
    ]
    policed = [pair for pair in found if pair[0].values[DETECTED + pair[1]]]
    return next(iter(policed or found), None)


def say_policed(result: Observation, suffix: str) -> str:
    rate, burst = result.values.get(RATE + suffix), result.values.get(BURST + suffix)
    limit = f" at {say_bits(rate)}" if rate else ""
    after = f" after a burst of {burst / 1000:.0f} kB" if burst else ""
    return f"What exceeds a limit{limit} is dropped{after}, and nothing waits."


def weigh_transfer(proof: Proof, result: Observation) -> None:
    sent_again, added = result.values[RETRANSMITTED], result.values.get(DELTA)
    if sent_again < LEAST_RETRANSMITTED:
        return
    sentence = f"{say_ratio(sent_again)} of a transfer had to be sent again"
    if added is not None and added < MOST_ADDED_SECONDS:
        proof.add(
            0.55,
            quote(
                result,
                RETRANSMITTED,
                f"{sentence}, while round trips rose by {say_seconds(added)} only.",
            ),
        )
    elif added is not None:
        proof.evidence.append(
            Evidence(f"{sentence}, and round trips rose by {say_seconds(added)}.")
        )
