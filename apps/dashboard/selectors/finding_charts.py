"""The charts around a finding, with its time marked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse

from apps.core.clock import read_now
from apps.dashboard.charts import Line, Panel
from apps.dashboard.formats import find_style
from apps.dashboard.kind_charts import describe_test_panels
from apps.dashboard.ranges import History, fix_history
from apps.metrics.catalogue import parse_key
from apps.metrics.selectors import ASSIGNMENT_KIND
from apps.ml.models import Finding
from apps.ml.selectors.finding_sentences import name_metric
from apps.tests.kinds import KINDS
from apps.tests.models import Assignment

LEAST_BEFORE, AFTER = timedelta(hours=3), timedelta(hours=1)
WINDOWS_BEFORE = 2
LONGEST_BEFORE = timedelta(days=2)
MOST_PANELS = 3
# A moment is drawn this wide, so that it is seen.
LEAST_MARK = timedelta(minutes=1)
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class FindingChart:
    """What is drawn, where its series come from, and the time that is marked."""

    panels: tuple[dict[str, Any], ...]
    url: str
    history: History
    mark: tuple[datetime, datetime]


def find_chart(finding: Finding) -> FindingChart | None:
    """None of what is about no stream, as the diagnosis of a client."""
    source = finding.source
    if source is None:
        return None
    assignment = find_assignment(finding)
    panels = list_panels(finding, assignment)
    if not panels:
        return None
    url = (
        reverse("dashboard:client-history", args=[finding.client_id])
        if assignment is None
        else reverse("dashboard:assignment-history", args=[assignment.test_id, assignment.id])
    )
    return FindingChart(
        panels=tuple(panel.as_document() for panel in panels),
        url=url,
        history=choose_history(finding),
        mark=(finding.started_at, max(finding.ended_at, finding.started_at + LEAST_MARK)),
    )


def find_assignment(finding: Finding) -> Assignment | None:
    """The assignment whose stream the finding is about; None of a client's host."""
    assignment: Assignment | None = getattr(finding.source, "assignment", None)
    return assignment


def list_panels(finding: Finding, assignment: Assignment | None) -> Sequence[Panel]:
    if finding.kind == Finding.Kind.SERIES_ANOMALY:
        return [draw_metric(finding, finding.metric)]
    if assignment is None:
        return []
    keys = list_evident_keys(finding)
    if keys:
        return [draw_metric(finding, key) for key in keys[:MOST_PANELS]]
    return describe_test_panels(KINDS[assignment.test.kind])[:MOST_PANELS]


def list_evident_keys(finding: Finding) -> list[str]:
    """The metrics that the evidence names, the weightiest first."""
    contributions = finding.evidence.get("contributions") or ()
    verdict = finding.evidence.get("verdict") or {}
    named = [one.get("subject", "") for one in contributions]
    named += [one.get("metric", "") for one in verdict.get("evidence") or ()]
    return [key for key in dict.fromkeys(named) if key and parse_key(key) is not None]


def draw_metric(finding: Finding, key: str) -> Panel:
    source = finding.source
    name = name_metric(key)
    if source is None or source.kind == ASSIGNMENT_KIND:
        return Panel(name, find_style(key), (Line(key, name),))
    return Panel(name, find_style(key), (Line(key, name, source.kind, source.subject),))


def choose_history(finding: Finding) -> History:
    """Long enough before to see what the detector compared with; never beyond now."""
    window = timedelta(seconds=float(finding.evidence.get("window_seconds") or 0))
    before = min(max(LEAST_BEFORE, WINDOWS_BEFORE * window), LONGEST_BEFORE)
    end = min(max(finding.ended_at + AFTER, finding.started_at), read_now())
    start = min(finding.started_at, end) - before
    history = fix_history(start, end)
    lag = float(finding.evidence.get("lag_seconds") or 0)
    if lag:
        return replace(history, comparison="week" if lag > DAY_SECONDS else "day")
    is_series = finding.kind == Finding.Kind.SERIES_ANOMALY
    return replace(history, usual="range") if is_series else history
