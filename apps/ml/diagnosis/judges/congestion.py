from itertools import pairwise
from statistics import median
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
from apps.ml.diagnosis.symptoms import is_lossy, is_slow
from apps.ml.diagnosis.wording import say_ratio, say_seconds, say_usual_seconds

P95, LEAST, MEDIAN = "net.rtt.p95", "net.rtt.min", "net.rtt.median"
LOSS = "net.packet.loss.ratio"
BUSY_RATIO = 0.80
HOURS_NEEDED = 12
BUSY_HOUR_FACTOR = 1.5
# With a queue the shortest round trip stays near what it was, the long ones grow.
SPREAD_FACTOR = 1.5
SPREAD_SECONDS = 0.010


class Congestion:
    """A shared link on the way is full: its queue adds delay, and loses what does not fit."""

    cause: ClassVar = "congestion"
    title: ClassVar = "Congested link"
    layer: ClassVar = Layer.PATH

    def judge(self, case: Case) -> Judgement:
        result = case.find_kind("ping", "udp_session", "tcp")
        if result is None or (P95 not in result.values and MEDIAN not in result.values):
            return NotJudged(self.cause, "no round trips of this target: add a ping")
        key = P95 if P95 in result.values else MEDIAN
        seconds, usual = result.values[key], result.usual.get(key)
        said = quote(
            result, key, f"Round trips take {say_seconds(seconds)}{say_usual_seconds(usual)}."
        )
        if not is_slow(result, key) and not is_queueing(result):
            return Cleared(self.cause, (said,))
        proof = Proof()
        proof.add(0.35, said)
        self.weigh_queue(proof, result)
        self.weigh_use(proof, case)
        hour = find_busy_hour(case)
        if hour is not None:
            proof.add(0.3, Evidence(f"It is worst around {hour}:00 UTC on most days."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Find who fills the link at these hours, then shape or upgrade it.",
            explains=frozenset({Symptom.LATENCY, Symptom.LOSS, Symptom.JITTER, Symptom.THROUGHPUT}),
            priority=Priority.TODAY,
        )

    def weigh_queue(self, proof: Proof, result: Observation) -> None:
        if is_queueing(result):
            least = say_seconds(result.values[LEAST])
            sentence = f"The fastest still take {least}: the others wait in a queue."
            proof.add(0.5, quote(result, LEAST, sentence))
        elif LEAST in result.values:
            sentence = "Even the fastest take as long: no queue that empties now and then."
            proof.add(-0.5, quote(result, LEAST, sentence))
        if is_lossy(result, LOSS):
            sentence = f"{say_ratio(result.values[LOSS])} is lost as well."
            proof.add(0.25, quote(result, LOSS, sentence))

    def weigh_use(self, proof: Proof, case: Case) -> None:
        uses = [link for link in case.links if link.utilization_ratio is not None]
        for link in uses:
            if link.utilization_ratio is not None and link.utilization_ratio > BUSY_RATIO:
                used = say_ratio(link.utilization_ratio)
                sentence = f"{link.name} of this host is used to {used} itself."
                proof.add(0.5, Evidence(sentence, "system.network.link.utilization"))
        raised = [hop for hop in case.hops if hop.rtt_seconds is not None]
        if len(raised) > 1:
            steps = [
                (after.rtt_seconds or 0) - (before.rtt_seconds or 0)
                for before, after in pairwise(raised)
            ]
            place = max(range(len(steps)), key=lambda one: steps[one])
            if steps[place] > SPREAD_SECONDS:
                hop = raised[place + 1]
                more = say_seconds(steps[place])
                sentence = f"From hop {hop.number} ({hop.address}) on it takes {more} more."
                proof.add(0.2, Evidence(sentence, "path.hop.rtt.median", hop.rtt_seconds))


def is_queueing(result: Observation) -> bool:
    high, least = result.values.get(P95), result.values.get(LEAST)
    if high is None or least is None:
        return False
    return high > least * SPREAD_FACTOR and high - least > SPREAD_SECONDS


def find_busy_hour(case: Case) -> int | None:
    """The hour of the day (UTC) that stands out, when most hours are known."""
    hours = case.hourly_round_trips
    if len(hours) < HOURS_NEEDED:
        return None
    worst = max(hours, key=lambda hour: hours[hour])
    return worst if hours[worst] > BUSY_HOUR_FACTOR * median(hours.values()) else None
