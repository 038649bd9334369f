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
from apps.ml.diagnosis.symptoms import LATENESS_KEY, find_lateness, is_slow
from apps.ml.diagnosis.wording import say_seconds, say_usual_seconds

FIRST_BYTE, CONNECT = "http.client.phase.ttfb", "http.client.phase.connect"
LEAST_WAIT_SECONDS = 0.2
CONNECTS = 3.0
LATENESS_FACTOR = 2.0


class ServerSlow:
    """The connection stands at once, the answer does not come: the application takes its time."""

    cause: ClassVar = "server_slow"
    title: ClassVar = "Server slow"
    layer: ClassVar = Layer.SERVER

    def judge(self, case: Case) -> Judgement:
        found = case.find_metric(FIRST_BYTE)
        if found is None:
            return NotJudged(self.cause, "no HTTP test of this target: add one")
        result, _key = found
        wait, connect = result.values[FIRST_BYTE], result.values.get(CONNECT)
        usual = result.usual.get(FIRST_BYTE)
        said = quote(
            result,
            FIRST_BYTE,
            f"The first byte comes after {say_seconds(wait)}{say_usual_seconds(usual)}.",
        )
        is_late = wait - CONNECTS * (connect or 0.0) > LEAST_WAIT_SECONDS
        if not is_late or (usual is not None and not is_slow(result, FIRST_BYTE)):
            return Cleared(self.cause, (said,))
        proof = Proof()
        proof.add(0.6 if usual is None else 0.75, said)
        if connect is not None:
            if is_slow(result, CONNECT):
                proof.add(-0.4, quote(result, CONNECT, "Connecting takes longer than usual too."))
            else:
                sentence = f"The connection stands after {say_seconds(connect)}."
                proof.add(0.5, quote(result, CONNECT, sentence))
        lateness = find_lateness(case)
        if wait - LEAST_WAIT_SECONDS < lateness * LATENESS_FACTOR:
            late = say_seconds(lateness)
            proof.add(-0.6, Evidence(f"The host itself was {late} late.", LATENESS_KEY, lateness))
        others = [one.is_failing for one in case.same_target]
        if others and sum(others) > len(others) / 2:
            proof.add(0.5, Evidence("Other agents wait for it as well."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="It is the application, not the network: tell who runs it.",
            explains=frozenset({Symptom.LATENCY, Symptom.FAILURE}),
            priority=Priority.TODAY,
        )
