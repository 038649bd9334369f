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
from apps.ml.diagnosis.symptoms import is_lossy, is_radio_weak, is_slow
from apps.ml.diagnosis.wording import say_ratio, say_seconds, say_usual_seconds

LOSS, ROUND_TRIP = "net.packet.loss.ratio", "net.rtt.median"
LEAST_LOSS_RATIO = 0.01
HIGH_ROUND_TRIP_SECONDS = 0.020
ERRORS_PER_SECOND = 0.1


class LanTrouble:
    """Something is wrong before the first router: cable, switch, duplex, or the router itself."""

    cause: ClassVar = "lan"
    title: ClassVar = "Local network or gateway"
    layer: ClassVar = Layer.LAN

    def judge(self, case: Case) -> Judgement:
        down = [link.name for link in case.links if not link.is_up]
        trouble = find_gateway_trouble(case)
        errors = find_errors(case)
        if not trouble and not errors:
            if not case.gateway and not case.hops:
                return NotJudged(self.cause, "no test reaches the gateway: add a ping of it")
            return Cleared(self.cause, (Evidence("The gateway answers as usual."),))
        proof = Proof()
        for one in trouble:
            proof.add(0.75, one)
        for one in errors:
            proof.add(0.5 if trouble else 0.35, one)
        others = [one.is_failing for one in case.same_client]
        if others and all(others):
            proof.add(0.4, Evidence("All targets of this client fare badly."))
        elif others and not any(others):
            # They may well be slow without failing, so a gateway that was measured counts for more.
            weight = -0.2 if trouble else -0.5
            proof.add(weight, Evidence("Other targets of this client are well."))
        if is_radio_weak(case):
            proof.add(-0.6, Evidence("The way there is by a radio whose signal is weak."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Check the cable, the duplex mode and the errors of the switch port, "
            "then the load of the gateway." + (f" Down: {', '.join(down)}." if down else ""),
            explains=frozenset(
                {Symptom.LOSS, Symptom.LATENCY, Symptom.JITTER, Symptom.THROUGHPUT, Symptom.FAILURE}
            ),
            priority=Priority.TODAY,
        )


def find_gateway_trouble(case: Case) -> list[Evidence]:
    """What is wrong on the way to the first router: by its own tests, else by the trace."""
    for one in case.gateway:
        if one.has_failed:
            return [quote(one, LOSS, f"The gateway {one.target} does not answer.")]
        found = []
        if is_lossy(one, LOSS) and one.values[LOSS] >= LEAST_LOSS_RATIO:
            lost = say_ratio(one.values[LOSS])
            found.append(quote(one, LOSS, f"{lost} is lost on the way to the gateway."))
        if is_slow(one, ROUND_TRIP) or one.values.get(ROUND_TRIP, 0) > HIGH_ROUND_TRIP_SECONDS:
            seconds = one.values[ROUND_TRIP]
            usual = say_usual_seconds(one.usual.get(ROUND_TRIP))
            sentence = f"The gateway takes {say_seconds(seconds)} to answer{usual}."
            found.append(quote(one, ROUND_TRIP, sentence))
        return found
    return find_first_hop_trouble(case)


def find_first_hop_trouble(case: Case) -> list[Evidence]:
    """Loss at the first router counts only when all routers behind it lose as well."""
    answering = [hop for hop in case.hops if hop.loss_ratio is not None]
    if not answering or answering[0].number != 1:
        return []
    lossy = [hop for hop in answering if (hop.loss_ratio or 0) >= LEAST_LOSS_RATIO]
    if len(lossy) < len(answering) or len(answering) == 1:
        return []
    first = answering[0]
    sentence = f"From the first hop {first.address} on {say_ratio(first.loss_ratio or 0)} is lost."
    return [Evidence(sentence, "path.hop.loss.ratio", first.loss_ratio)]


def find_errors(case: Case) -> list[Evidence]:
    found = []
    for link in case.links:
        if link.error_rate is not None and link.error_rate > ERRORS_PER_SECOND:
            sentence = f"{link.name} has {link.error_rate:.2g} errors a second."
            found.append(Evidence(sentence, "system.network.errors.rate", link.error_rate))
        if link.duplex == "half" and not link.is_wireless:
            found.append(Evidence(f"{link.name} runs in half duplex."))
    return found
