"""An analysis as a document, for programs."""

from dataclasses import asdict
from typing import Any

from apps.reports.selectors.analysis.availability import METHOD, Availability
from apps.reports.selectors.analysis.reading import Analysis
from apps.reports.selectors.analysis.traffic import Traffic


def build_document(analysis: Analysis) -> dict[str, Any]:
    """Members of JSON's kinds, and moments, days and ids as they are."""
    period, zone = analysis.question.period, analysis.question.zone
    return {
        "start": period.start,
        "end": period.end,
        "zone": zone.key,
        "headlines": [{**asdict(one), "verdict": one.verdict} for one in analysis.headlines],
        "availability": describe_availability(analysis.availability),
        "anomalies": asdict(analysis.anomalies),
        "traffic": [describe_traffic(one) for one in analysis.traffic],
        "changes": [asdict(one) for one in analysis.changes],
    }


def describe_availability(found: Availability) -> dict[str, Any]:
    return {**asdict(found), "method": METHOD}


def describe_traffic(found: Traffic) -> dict[str, Any]:
    document = asdict(found)
    if found.trend is not None:
        document["trend"]["is_clear"] = found.trend.is_clear
    return document
