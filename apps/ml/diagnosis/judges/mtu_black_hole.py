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
    refer,
)

BLACK_HOLE, MTU = "path.mtu.blackhole", "path.mtu"
IP_AND_TCP_BYTES = 40


class MtuBlackHole:
    """Large packets vanish without a word, small ones pass: transfers stall."""

    cause: ClassVar = "mtu_black_hole"
    title: ClassVar = "MTU black hole"
    layer: ClassVar = Layer.PATH

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric(BLACK_HOLE)
        if found is None:
            return NotJudged(self.cause, "no MTU test of this target: add one")
        result, _key = found
        size = result.values.get(MTU)
        if not result.values[BLACK_HOLE]:
            passes = f"{size:.0f} bytes pass" if size else "Large packets pass or are answered"
            return Cleared(self.cause, (quote(result, MTU, f"{passes}."),))
        proof = Proof()
        limit = f"{size:.0f} bytes" if size else "a limit"
        said = f"Packets above {limit} vanish, and no router says so."
        proof.add(0.9, quote(result, BLACK_HOLE, said))
        web = case.find_kind("http", "http_throughput", "throughput")
        if web is not None and web.has_failed:
            sentence = f"Transfers stall: {web.reason or 'no answer'}."
            proof.add(0.4, refer(web, sentence))
        segment = f" to {size - IP_AND_TCP_BYTES:.0f} bytes" if size else ""
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=f"Clamp the MSS{segment} at the tunnel or router, or let ICMP "
            "fragmentation needed (type 3 code 4) pass.",
            explains=frozenset({Symptom.FAILURE, Symptom.LATENCY, Symptom.THROUGHPUT}),
            priority=Priority.TODAY,
        )
