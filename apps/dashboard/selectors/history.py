"""Everything that a page's charts draw, read in one go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from apps.dashboard.comparisons import describe_changes
from apps.dashboard.formats import format_period
from apps.metrics.selectors import Series, read_range

SourceName = tuple[str, str]
EMPTY = Series(0, [], [], [], [], [], [])


@dataclass(frozen=True, slots=True)
class WantedLine:
    """A metric key of a source of the page; with `is_banded` also its extremes and percentiles."""

    source: SourceName
    key: str
    is_banded: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the charts of a page want to draw, in at most `points` points each."""

    start: datetime
    end: datetime
    points: int
    shift: timedelta | None
    lines: Sequence[WantedLine]


def read_lines(source_ids: Mapping[SourceName, int], wanted: Wanted) -> list[dict[str, Any]]:
    """A document for each wanted line; an empty one where there is no such source."""
    return [read_line(source_ids.get(line.source), line, wanted) for line in wanted.lines]


def read_line(source_id: int | None, line: WantedLine, wanted: Wanted) -> dict[str, Any]:
    current = earlier = EMPTY
    if source_id is not None:
        current = read_range(
            source_id=source_id,
            key=line.key,
            start=wanted.start,
            end=wanted.end,
            points=wanted.points,
        )
    document = describe_series(current, is_banded=line.is_banded)
    if wanted.shift is None:
        return document
    if source_id is not None:
        earlier = read_range(
            source_id=source_id,
            key=line.key,
            start=wanted.start - wanted.shift,
            end=wanted.end - wanted.shift,
            points=wanted.points,
        )
    seconds = wanted.shift.total_seconds()
    changes = describe_changes(line.key, current, earlier)
    return {
        **document,
        "earlier": {"at": [at + seconds for at in earlier.at], "mean": earlier.mean},
        "changes": [change.as_document() for change in changes],
    }


def describe_series(series: Series, *, is_banded: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "step_seconds": series.step_seconds,
        "resolution": describe_resolution(series),
        "at": series.at,
        "mean": series.mean,
    }
    if is_banded:
        document |= {
            "minimum": series.minimum,
            "maximum": series.maximum,
            "p95": series.p95,
        }
    return document


def describe_resolution(series: Series) -> str:
    """What one point stands for; empty for a series without any."""
    if not series.at:
        return ""
    if not series.step_seconds:
        return _("single values")
    return _("%(step)s means") % {"step": format_period(series.step_seconds)}
