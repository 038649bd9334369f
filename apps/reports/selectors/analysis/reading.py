"""All parts of an analysis, and the figures that sum it up."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.reports.algorithms.statistics import compare_counts, compute_ratio
from apps.reports.selectors.analysis.anomalies import Anomalies, read_anomalies
from apps.reports.selectors.analysis.availability import Availability, read_availability
from apps.reports.selectors.analysis.changes import TopChange, read_top_changes
from apps.reports.selectors.analysis.question import Question
from apps.reports.selectors.analysis.traffic import Traffic, read_traffic

# A change that chance alone makes more often than that is not called one.
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure of the period beside that of the period before.

    `chance` is how probable such a difference is by chance alone; None where that is not counted.
    """

    name: str
    unit: str
    now: float | None
    before: float | None
    ratio: float | None
    chance: float | None
    better: str

    @property
    def verdict(self) -> str:
        """`new` or `missing`, `same`, `by_chance`, or `better`, `worse`, `higher`, `lower`."""
        if self.now is None or self.before is None:
            return "missing" if self.now is None else "new"
        if self.now == self.before:
            return "same"
        if self.chance is not None and self.chance >= SIGNIFICANT:
            return "by_chance"
        direction = "higher" if self.now > self.before else "lower"
        if self.better == "neither":
            return direction
        return "better" if direction == self.better else "worse"


@dataclass(frozen=True, slots=True)
class Analysis:
    """All parts of the answer to one question."""

    question: Question
    headlines: tuple[Headline, ...]
    availability: Availability
    anomalies: Anomalies
    traffic: tuple[Traffic, ...]
    changes: tuple[TopChange, ...]


def read_analysis(question: Question) -> Analysis:
    """The whole analysis of the period, for what the question's user may see."""
    availability = read_availability(question)
    anomalies = read_anomalies(question)
    # A link belongs to a client and to no test.
    traffic = [] if question.test_id else read_traffic(question)
    return Analysis(
        question=question,
        headlines=tuple(list_headlines(availability, anomalies, traffic)),
        availability=availability,
        anomalies=anomalies,
        traffic=tuple(traffic),
        changes=tuple(read_top_changes(question)),
    )


def list_headlines(
    availability: Availability, anomalies: Anomalies, traffic: Sequence[Traffic]
) -> list[Headline]:
    now = availability.share.share if availability.share else None
    before = availability.before.share if availability.before else None
    failures = (
        float(availability.failures) if availability.share else None,
        float(availability.failures_before) if availability.before else None,
    )
    found = [
        Headline(
            "availability",
            "1",
            now,
            before,
            compute_ratio(now, before),
            availability.chance,
            "higher",
        ),
        Headline(
            "failures",
            "{run}",
            *failures,
            compute_ratio(*failures),
            compare_failures(availability),
            "lower",
        ),
        Headline(
            "anomalies",
            "{event}",
            anomalies.count,
            anomalies.before,
            compute_ratio(anomalies.count, anomalies.before),
            anomalies.chance,
            "lower",
        ),
    ]
    return found + [
        Headline(
            f"traffic_{one.direction}",
            "bit/s",
            one.mean,
            one.before,
            one.change,
            None,
            "neither",
        )
        for one in traffic
    ]


def compare_failures(availability: Availability) -> float | None:
    """As `compare_counts`, by how many runs had a verdict in each period."""
    if availability.share is None or availability.before is None:
        return None
    tries = availability.share.total / availability.before.total
    return compare_counts(availability.failures, availability.failures_before, span_ratio=tries)
