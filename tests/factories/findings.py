"""Findings and diagnoses as the detectors would have stored them."""

from datetime import timedelta

from apps.core.clock import read_now
from apps.ml.models import Diagnosis, Finding

RANGE = {"value": 0.2, "threshold": 1.02, "ratio": 1.12, "span_seconds": 14 * 86_400}
CONTRIBUTIONS = [
    {"subject": "net.packet.loss.ratio", "points": 31.0, "value": 0.031, "low": 0.0, "high": 0.002}
]
VERDICT = {
    "cause": "lan",
    "layer": "lan",
    "confidence": 0.8,
    "evidence": [{"sentence": "The first router loses 4 %.", "metric": ""}],
    "recommendation": "Check the cable.",
    "priority": 2,
    "explained_by": "",
}
EVIDENCE = {
    "series_anomaly": RANGE,
    "joint_anomaly": {"contributions": CONTRIBUTIONS, "results": 640, "version": 3},
    "diagnosis": {"verdict": VERDICT},
}


def build_finding(client, kind="series_anomaly", *, at=None, **fields):
    """A finding, not stored yet, of five minutes that ended a minute ago, unless said otherwise."""
    started_at = at or read_now() - timedelta(minutes=6)
    defaults = {
        "severity": "warning",
        "cause": {"series_anomaly": "range", "diagnosis": "lan"}.get(kind, ""),
        "metric": "system.cpu.utilization" if kind == "series_anomaly" else "",
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=5 if kind == "series_anomaly" else 0),
        "score": None if kind == "diagnosis" else 1.3,
        "confidence": 0.8 if kind == "diagnosis" else None,
        "evidence": EVIDENCE[kind],
        "created_at": read_now(),
    }
    return Finding(kind=kind, client=client, **{**defaults, **fields})


def make_finding(client, kind="series_anomaly", *, at=None, **fields):
    finding = build_finding(client, kind, at=at, **fields)
    finding.save()
    return finding


def make_diagnosis(client, *, cause="", at=None, **fields):
    """An answer; with a cause it has a finding."""
    asked_at = at or read_now()
    finding = None
    if cause:
        finding = make_finding(client, "diagnosis", at=asked_at, cause=cause)
    return Diagnosis.objects.create(
        client=client,
        asked_at=asked_at,
        about_at=asked_at,
        cause=cause,
        confidence=0.8 if cause else None,
        verdicts=[{**VERDICT, "cause": cause}] if cause else [],
        duration_seconds=0.1,
        finding=finding,
        **fields,
    )
