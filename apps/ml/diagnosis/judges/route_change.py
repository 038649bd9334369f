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
from apps.ml.diagnosis.wording import say_seconds, say_usual_seconds

LEAST, MEDIAN = "net.rtt.min", "net.rtt.median"
RISE_FACTOR = 1.3
LEAST_RISE_SECONDS = 0.003
RECENT_SECONDS = 3600.0


class RouteChange:
    """Packets take another way than before, and the fastest of them are slower for it."""

    cause: ClassVar = "route_change"
    title: ClassVar = "Route changed"
    layer: ClassVar = Layer.PATH

    def judge(self, case: Case) -> Judgement:
        if not case.hops and not case.route_changes:
            return NotJudged(self.cause, "no trace of this target: add one")
        recent = [at for at in case.route_changes if 0 <= case.at - at <= RECENT_SECONDS]
        if not recent:
            return Cleared(self.cause, (Evidence("The route is the one of the hour before."),))
        age = say_seconds(case.at - recent[-1])
        proof = Proof()
        proof.add(0.45, Evidence(f"The route changed {age} ago.", "path.change.count"))
        found = case.find_metric(LEAST, MEDIAN)
        if found is not None:
            result, key = found
            usual = result.usual.get(key)
            seconds = result.values[key]
            if usual is not None and is_step(seconds, usual.median):
                said = say_usual_seconds(usual)
                sentence = f"Even the fastest round trip takes {say_seconds(seconds)} now{said}."
                proof.add(0.75, quote(result, key, sentence))
            else:
                proof.add(-0.3, quote(result, key, "Round trips are about as long as before."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Compare the two routes; if it stays slower, ask the provider why.",
            explains=frozenset({Symptom.LATENCY, Symptom.JITTER}),
            priority=Priority.PLANNED,
        )


def is_step(seconds: float, usual: float) -> bool:
    return seconds > usual * RISE_FACTOR and seconds - usual > LEAST_RISE_SECONDS
