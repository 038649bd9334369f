"""Diagnoses with what their pages show of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ml.diagnosis.judges import JUDGES
from apps.ml.models import Diagnosis
from apps.tests.models import Assignment

PERCENT = 100
SURE_RATIO, LIKELY_RATIO = 0.8, 0.5
LAYER_NAMES: Mapping[str, str | Promise] = {
    "agent": gettext_lazy("Agent"),
    "host": gettext_lazy("Host"),
    "lan": gettext_lazy("Local network"),
    "access": gettext_lazy("Access line"),
    "path": gettext_lazy("Path"),
    "dns": gettext_lazy("DNS"),
    "tls": gettext_lazy("TLS"),
    "server": gettext_lazy("Server"),
}
PRIORITY_NAMES: Mapping[int, str | Promise] = {
    1: gettext_lazy("act now"),
    2: gettext_lazy("today"),
    3: gettext_lazy("plan it"),
    4: gettext_lazy("no hurry"),
}
SYMPTOM_NAMES: Mapping[str, str | Promise] = {
    "failure": gettext_lazy("it fails"),
    "latency": gettext_lazy("it is slow"),
    "loss": gettext_lazy("packets are lost"),
    "jitter": gettext_lazy("delays vary"),
    "throughput": gettext_lazy("the rate is low"),
    "silence": gettext_lazy("the agent is silent"),
}


@dataclass(frozen=True, slots=True)
class ShownEvidence:
    """A line of evidence; `url` leads to the run or the chart it is from."""

    sentence: str
    metric: str
    value: float | None
    usual_low: float | None
    usual_high: float | None
    url: str


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    title: str
    cause: str
    layer: str
    confidence_percent: int
    certainty: str
    priority: str
    evidence: tuple[ShownEvidence, ...]
    recommendation: str
    explained_by: str


@dataclass(frozen=True, slots=True)
class ShownLayer:
    """A step of the way from the agent to the server: failing, explained, well or unknown."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class ShownDiagnosis:
    row: Diagnosis
    headline: str
    symptoms: tuple[str, ...]
    first: ShownVerdict | None
    others: tuple[ShownVerdict, ...]
    layers: tuple[ShownLayer, ...]
    cleared: tuple[str, ...]
    not_judged: tuple[tuple[str, str], ...]
    siblings: tuple[tuple[str, int, int], ...]


def list_causes() -> list[tuple[str, str]]:
    return [(name, judge.title) for name, judge in JUDGES.items()]


def name_cause(cause: str) -> str:
    judge = JUDGES.get(cause)
    return judge.title if judge is not None else cause


def describe_diagnosis(row: Diagnosis) -> ShownDiagnosis:
    places = locate(row.verdicts)
    verdicts = [show_verdict(one, places) for one in row.verdicts]
    has_first = bool(row.cause) and bool(verdicts)
    return ShownDiagnosis(
        row=row,
        headline=write_headline(row),
        symptoms=tuple(str(SYMPTOM_NAMES.get(one, one)) for one in row.symptoms),
        first=verdicts[0] if has_first else None,
        others=tuple(verdicts[1:] if has_first else verdicts),
        layers=show_layers(row),
        cleared=tuple(name_cause(str(one["cause"])) for one in row.cleared),
        not_judged=tuple(
            (name_cause(str(one["cause"])), str(one["missing"])) for one in row.not_judged
        ),
        siblings=show_siblings(row.siblings),
    )


def describe_evidence(verdict: Mapping[str, Any]) -> ShownVerdict:
    """The verdict of a finding as its diagnosis shows it; one query."""
    return show_verdict(verdict, locate([verdict]))


def write_headline(row: Diagnosis) -> str:
    """The answer in one sentence."""
    if row.cause:
        percent = round((row.confidence or 0) * PERCENT)
        text = _("%(cause)s is the first cause, with a confidence of %(percent)d %%.")
        return text % {"cause": name_cause(row.cause), "percent": percent}
    if row.symptoms:
        return _("Something is wrong, but nothing that was measured explains it.")
    if row.verdicts:
        return _("Nothing is wrong with what it measures; something else needs attention.")
    return _("Nothing is wrong as far as it is measured.")


def show_verdict(verdict: Mapping[str, Any], places: Mapping[str, str]) -> ShownVerdict:
    confidence = float(verdict["confidence"])
    return ShownVerdict(
        title=name_cause(str(verdict["cause"])),
        cause=str(verdict["cause"]),
        layer=str(LAYER_NAMES.get(verdict["layer"], verdict["layer"])),
        confidence_percent=round(confidence * PERCENT),
        certainty=name_certainty(confidence),
        priority=str(PRIORITY_NAMES.get(verdict["priority"], "")),
        evidence=tuple(show_evidence(one, places) for one in verdict["evidence"]),
        recommendation=str(verdict["recommendation"]),
        explained_by=name_cause(str(verdict["explained_by"])) if verdict["explained_by"] else "",
    )


def name_certainty(confidence: float) -> str:
    if confidence >= SURE_RATIO:
        return _("sure")
    return _("likely") if confidence >= LIKELY_RATIO else _("a suspicion")


def show_evidence(one: Mapping[str, Any], places: Mapping[str, str]) -> ShownEvidence:
    usual = one.get("usual") or {}
    url = places.get(str(one.get("assignment_id")), "")
    if one.get("run_id"):
        url = reverse("dashboard:run", args=[one["run_id"]])
    return ShownEvidence(
        sentence=str(one["sentence"]),
        metric=str(one.get("metric", "")),
        value=one.get("value"),
        usual_low=usual.get("low"),
        usual_high=usual.get("high"),
        url=url,
    )


def locate(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The pages of the tests that evidence is from; one query."""
    ids = {
        str(one["assignment_id"])
        for verdict in verdicts
        for one in verdict["evidence"]
        if one.get("assignment_id")
    }
    rows = Assignment.objects.filter(id__in=ids).values_list("id", "test_id", "client_id")
    return {
        str(assignment_id): f"{reverse('dashboard:test', args=[test_id])}?"
        + urlencode({"client": client_id})
        for assignment_id, test_id, client_id in rows
    }


def show_layers(row: Diagnosis) -> tuple[ShownLayer, ...]:
    """The way of a packet, layer by layer, and what each is known to be."""
    failing = {one["layer"] for one in row.verdicts if not one["explained_by"]}
    explained = {one["layer"] for one in row.verdicts if one["explained_by"]}
    well = {
        JUDGES[one["cause"]].layer.name.lower() for one in row.cleared if one["cause"] in JUDGES
    }
    states = []
    for name, title in LAYER_NAMES.items():
        state = (
            "bad"
            if name in failing
            else "warning"
            if name in explained
            else "good"
            if name in well
            else "idle"
        )
        states.append(ShownLayer(str(title), state))
    return tuple(states)


def show_siblings(siblings: Mapping[str, Any]) -> tuple[tuple[str, int, int], ...]:
    names = {
        "same_target": _("other agents with the same target"),
        "same_client": _("other targets of this client"),
        "same_site": _("other clients of its site"),
    }
    return tuple(
        (names[name], int(counts[0]), int(counts[1]))
        for name, counts in siblings.items()
        if name in names and counts[1]
    )
