"""What charts draw of judgements: the bands of what was usual, and a ribbon of what was not."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from apps.core.errors import FieldError, Invalid
from apps.metrics.selectors import read_range
from apps.ml.algorithms.features import CONTEXT
from apps.ml.algorithms.series.bands import Band, find_hour_band, find_range_band
from apps.ml.models import Finding
from apps.ml.selectors.joint_sentences import describe_contribution
from apps.ml.selectors.sentences import describe_series

BAND_KINDS = ("range", "hour")
# As far back as the detector remembers five-minute means.
REMEMBERED = timedelta(days=14)
POINTS_OF_A_BAND = 2000
MOST_MARKS = 200
# Through a pause of the series its band goes on for so long.
LEAST_HOLD_SECONDS, STEPS_HELD = 900.0, 2.5

Series = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Mark:
    """A time in which a series was unusual, and what is said of it."""

    id: UUID
    start: float
    end: float
    score: float
    text: str


def read_ribbons(
    source_ids: Collection[int], start: datetime, end: datetime
) -> dict[Series, list[Mark]]:
    """The marks in [start, end) by source and metric, oldest first; one query.

    Those of the newest 200 findings. A result that was unusual as a whole marks each metric that
    made it so.
    """
    rows = Finding.objects.filter(
        kind__in=(Finding.Kind.SERIES_ANOMALY, Finding.Kind.JOINT_ANOMALY),
        source_id__in=source_ids,
        started_at__lt=end,
        ended_at__gt=start,
    ).order_by("-started_at", "-id")
    found: dict[Series, list[Mark]] = {}
    for row in rows[:MOST_MARKS]:
        for metric, text in describe_marks(row):
            mark = Mark(
                id=row.id,
                start=row.started_at.timestamp(),
                end=row.ended_at.timestamp(),
                score=row.score or 0.0,
                text=text,
            )
            found.setdefault((row.source_id or 0, metric), []).insert(0, mark)
    return found


def describe_marks(finding: Finding) -> Iterator[tuple[str, str]]:
    """The metrics that a finding marks, each with what is said of it."""
    if finding.kind == Finding.Kind.SERIES_ANOMALY:
        yield finding.metric, describe_series(finding.cause, finding.evidence)
        return
    words = (
        _("result as a whole, provisional") if finding.is_provisional else _("result as a whole")
    )
    for one in finding.evidence.get("contributions", ()):
        if one["points"] > 0 and not one["subject"].startswith(f"{CONTEXT}:"):
            yield one["subject"], f"{words}: {describe_contribution(one)}"


def read_band(series: Series, kind: str, *, start: datetime, end: datetime) -> Band:
    """What was usual of the series (source, metric) in [start, end), by the 14 days before.

    `range` is the range of those days, `hour` the median of the same hour of the day and 5 median
    deviations on either side.
    Raises: Invalid for another kind.
    """
    if kind not in BAND_KINDS:
        raise Invalid([FieldError("usual", "unknown", f"must be one of {', '.join(BAND_KINDS)}")])
    source_id, key = series
    history = read_range(
        source_id=source_id, key=key, start=start - REMEMBERED, end=end, points=POINTS_OF_A_BAND
    )
    at, mean = np.array(history.at), np.array(history.mean)
    if kind == "hour":
        moments = np.arange(start.timestamp(), end.timestamp(), 900.0)
        return find_hour_band(at, mean, moments)
    band = find_range_band(
        at,
        np.array(history.minimum),
        np.array(history.maximum),
        span_seconds=REMEMBERED.total_seconds(),
        hold_seconds=max(LEAST_HOLD_SECONDS, STEPS_HELD * history.step_seconds),
    )
    return band.since(start.timestamp())
