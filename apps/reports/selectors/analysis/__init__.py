"""A time analysed: availability, anomalies, traffic, and what changed against the time before."""

from apps.reports.selectors.analysis.anomalies import (
    Anomalies,
    DayCount,
    Frequency,
    read_anomalies,
)
from apps.reports.selectors.analysis.availability import (
    METHOD,
    Availability,
    TestAvailability,
    read_availability,
)
from apps.reports.selectors.analysis.changes import TopChange, read_top_changes
from apps.reports.selectors.analysis.documents import build_document
from apps.reports.selectors.analysis.question import (
    LONGEST,
    SHORTEST,
    Period,
    Question,
    check_period,
)
from apps.reports.selectors.analysis.reading import (
    SIGNIFICANT,
    Analysis,
    Headline,
    read_analysis,
)
from apps.reports.selectors.analysis.traffic import ClientRate, Peak, Traffic, read_traffic

__all__ = [
    "LONGEST",
    "METHOD",
    "SHORTEST",
    "SIGNIFICANT",
    "Analysis",
    "Anomalies",
    "Availability",
    "ClientRate",
    "DayCount",
    "Frequency",
    "Headline",
    "Peak",
    "Period",
    "Question",
    "TestAvailability",
    "TopChange",
    "Traffic",
    "build_document",
    "check_period",
    "read_analysis",
    "read_anomalies",
    "read_availability",
    "read_top_changes",
    "read_traffic",
]
