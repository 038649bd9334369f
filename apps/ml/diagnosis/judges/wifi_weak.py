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
from apps.ml.diagnosis.judges.lan import find_gateway_trouble
from apps.ml.diagnosis.symptoms import POOR_SNR_DB, SIGNAL_KEY, SNR_KEY, WEAK_DBM


class WifiWeak:
    """The radio is the bottleneck: weak signal, and trouble already at the first router."""

    cause: ClassVar = "wifi_weak"
    title: ClassVar = "Weak Wi-Fi"
    layer: ClassVar = Layer.LAN

    def judge(self, case: Case) -> Judgement:
        signal, snr = case.wifi.get(SIGNAL_KEY), case.wifi.get(SNR_KEY)
        if signal is None and snr is None:
            return NotJudged(self.cause, "the host has no Wi-Fi, or the agent cannot read it")
        proof = Proof()
        if signal is not None and signal < WEAK_DBM:
            proof.add(0.6, Evidence(f"The signal is {signal:.0f} dBm.", SIGNAL_KEY, signal))
        if snr is not None and snr < POOR_SNR_DB:
            proof.add(0.5, Evidence(f"It is only {snr:.0f} dB above the noise.", SNR_KEY, snr))
        if not proof.evidence:
            return Cleared(
                self.cause,
                (Evidence(f"The signal is {signal:.0f} dBm.", SIGNAL_KEY, signal),)
                if signal is not None
                else (),
            )
        trouble = find_gateway_trouble(case)
        if trouble:
            for one in trouble:
                proof.add(0.5, one)
        elif case.gateway or case.hops:
            proof.add(-0.4, Evidence("The first router is reached without trouble."))
        return Verdict(
            cause=self.cause,
            layer=self.layer,
            confidence=proof.confidence,
            evidence=tuple(proof.evidence),
            recommendation="Move the host or the access point, use 5 GHz, or connect by cable.",
            explains=frozenset(
                {Symptom.LOSS, Symptom.LATENCY, Symptom.JITTER, Symptom.THROUGHPUT, Symptom.FAILURE}
            ),
            priority=Priority.TODAY,
        )
