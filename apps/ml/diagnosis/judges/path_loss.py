from typing import ClassVar

from apps.ml.diagnosis.case import Case, Hop
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
from apps.ml.diagnosis.symptoms import is_lossy
from apps.ml.diagnosis.wording import say_ratio

LOSS = "net.packet.loss.ratio"
LEAST_LOSS_RATIO = 0.01


class PathLoss:
    """Packets vanish on the way, from one router onward or beyond those that answer."""

    cause: ClassVar = "path_loss"
    title: ClassVar = "Loss on the path"
    layer: ClassVar = Layer.PATH

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric(LOSS)
        if found is None:
            return NotJudged(self.cause, "no test counts lost packets to this target: add a ping")
        result, _key = found
        lost = result.values[LOSS]
        said = quote(result, LOSS, f"{say_ratio(lost)} is lost end to end.")
        if not is_lossy(result, LOSS):
            return Cleared(self.cause, (said,))
        proof = Proof()
        proof.add(0.6 if lost < 1 else 0.4, said)
        hop = find_lossy_hop(case.hops)
        if hop is not None:
            sentence = (
                f"Hop {hop.number} ({hop.address}) loses {say_ratio(hop.loss_ratio or 0)}, and so "
                "do all behind it."
            )
            proof.add(0.6, Evidence(sentence, "path.hop.loss.ratio", hop.loss_ratio))
        advice = "Open a ticket with the provider; attach this result and a trace made meanwhile."
        if hop is not None:
            place = f"hop {hop.number} ({hop.address})"
            advice = f"Open a ticket with who runs {place}; attach the hop table."
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=advice,
            explains=frozenset(
                {Symptom.LOSS, Symptom.FAILURE, Symptom.THROUGHPUT, Symptom.LATENCY}
            ),
            priority=Priority.NOW if lost >= 1 else Priority.TODAY,
        )


def find_lossy_hop(hops: tuple[Hop, ...]) -> Hop | None:
    """The first from which on all that answer lose; loss at one alone is a router's own limit."""
    answering = [hop for hop in hops if hop.loss_ratio is not None]
    for place, hop in enumerate(answering):
        behind = answering[place:]
        if len(behind) > 1 and all((one.loss_ratio or 0) >= LEAST_LOSS_RATIO for one in behind):
            return hop
    return None
