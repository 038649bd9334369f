from typing import ClassVar

from apps.ml.diagnosis.case import Case
from apps.ml.diagnosis.judgement import (
    Cleared,
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

DELTA = "net.bufferbloat.delta"
# From here on calls and games suffer: the edge between the grades B and C.
LEAST_ADDED_SECONDS = 0.060
MOST_LOSS_RATIO = 0.01
LOSS = "net.packet.loss.ratio"
RATES = ("net.throughput.tcp.receive", "net.throughput.http.download")


class Bufferbloat:
    """A queue that is far too long holds everything up as soon as the line is busy."""

    cause: ClassVar = "bufferbloat"
    title: ClassVar = "Bufferbloat"
    layer: ClassVar = Layer.ACCESS

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric(DELTA)
        if found is None:
            return NotJudged(self.cause, "no throughput test of this target measured it under load")
        result, _key = found
        added = result.values[DELTA]
        said = quote(result, DELTA, f"Under load a round trip takes {say_seconds(added)} longer.")
        if added <= LEAST_ADDED_SECONDS:
            return Cleared(self.cause, (said,))
        proof = Proof()
        proof.add(0.8, said)
        lossy = case.find_metric(LOSS)
        if lossy is not None and lossy[0].values[LOSS] < MOST_LOSS_RATIO:
            lost = say_ratio(lossy[0].values[LOSS])
            proof.add(0.4, quote(lossy[0], LOSS, f"Hardly anything is lost ({lost})."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=advise(case),
            explains=frozenset({Symptom.LATENCY, Symptom.JITTER}),
            priority=Priority.PLANNED,
        )


def advise(case: Case) -> str:
    found = case.find_metric(*RATES)
    rate = ""
    if found is not None:
        measured = found[0].values[found[1]]
        rate = f", that is {say_bits(measured * 0.85)} to {say_bits(measured * 0.95)}"
    return (
        "Let the router queue fairly (SQM with fq_codel or CAKE) at 85 to 95 % of the line's "
        f"rate{rate}."
    )
