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
)
from apps.ml.diagnosis.symptoms import LATENESS_KEY, find_lateness, find_symptoms
from apps.ml.diagnosis.wording import say_ratio, say_seconds, say_usual_ratio

BUSY_RATIO = 0.90
LATE_SECONDS = 0.020
PRESSED_RATIO = 0.30
FULL_MEMORY_RATIO = 0.95
SWAPPING_PER_SECOND = 50.0
CPU, CPU_PRESSURE = "system.cpu.utilization", "system.cpu.pressure"
MEMORY, MEMORY_PRESSURE = "system.memory.utilization", "system.memory.pressure"
SWAP_OUT = "system.paging.operations.rate{direction=out}"
STAMPED_KINDS = frozenset({"ping", "udp_session"})
FAILING = frozenset({Symptom.LOSS, Symptom.FAILURE, Symptom.THROUGHPUT})
HURT = frozenset({Symptom.JITTER, Symptom.LATENCY, Symptom.LOSS, Symptom.THROUGHPUT})


class HostBusy:
    """The measuring host itself has no time: what it measures is late, to every target."""

    cause: ClassVar = "host_busy"
    title: ClassVar = "Host overloaded"
    layer: ClassVar = Layer.HOST

    def judge(self, case: Case) -> Judgement:
        if CPU not in case.host and MEMORY not in case.host:
            return NotJudged(self.cause, "the agent sends no figures of its host")
        proof = weigh_load(case)
        figures = tuple(
            self.say(case, key, name)
            for key, name in ((CPU, "The processor"), (MEMORY, "Memory"))
            if key in case.host
        )
        if not proof.evidence:
            return Cleared(self.cause, figures)
        lateness = find_lateness(case)
        if lateness > LATE_SECONDS:
            late = say_seconds(lateness)
            proof.add(0.5, Evidence(f"Its probes left up to {late} late.", LATENESS_KEY, lateness))
        others = [one.is_failing for one in case.same_client]
        if others and not any(others) and would_show_elsewhere(case):
            proof.add(-0.6, Evidence("Its tests of other targets are well."))
        elif others and all(others):
            proof.add(0.5, Evidence("All of its tests fare badly at the same time."))
        if case.busiest_process:
            proof.evidence.append(Evidence(f"Busiest process: {case.busiest_process}."))
        name = f" ({case.busiest_process})" if case.busiest_process else ""
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation=f"Relieve the host{name}; do not trust its network figures meanwhile.",
            explains=HURT,
            priority=Priority.TODAY,
        )

    def say(self, case: Case, key: str, name: str) -> Evidence:
        value = case.host[key]
        usual = case.host_usual.get(key)
        sentence = f"{name} is used to {say_ratio(value)}{say_usual_ratio(usual)}."
        return Evidence(sentence, metric=key, value=value, usual=usual)


def would_show_elsewhere(case: Case) -> bool:
    """Whether a busy host that made these symptoms had made other targets look bad as well.

    It slows what programs time themselves, and nobody judges other targets by that.
    """
    symptoms = find_symptoms(case)
    is_stamped = case.observed is not None and case.observed.kind in STAMPED_KINDS
    return bool(symptoms & FAILING or (symptoms and is_stamped))


def weigh_load(case: Case) -> Proof:
    """What speaks for an overloaded host; no evidence when nothing does."""
    proof = Proof()
    limits = (
        (CPU, BUSY_RATIO, 0.7, "The processor is used to"),
        (CPU_PRESSURE, PRESSED_RATIO, 0.6, "Tasks wait for the processor during"),
        (MEMORY, FULL_MEMORY_RATIO, 0.4, "Memory is used to"),
        (MEMORY_PRESSURE, PRESSED_RATIO, 0.6, "Tasks wait for memory during"),
    )
    for key, limit, weight, words in limits:
        value = case.host.get(key)
        if value is not None and value > limit:
            usual = case.host_usual.get(key)
            sentence = f"{words} {say_ratio(value)}{say_usual_ratio(usual)}."
            proof.add(weight, Evidence(sentence, metric=key, value=value, usual=usual))
    swapped = case.host.get(SWAP_OUT)
    if swapped is not None and swapped > SWAPPING_PER_SECOND:
        sentence = f"{swapped:.0f} pages a second are swapped out."
        proof.add(0.6, Evidence(sentence, metric=SWAP_OUT, value=swapped))
    return proof
