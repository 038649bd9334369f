"""Everything that a page's charts draw, read in one go."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from apps.dashboard.comparisons import describe_changes
from apps.dashboard.formats import SPACE
from apps.dashboard.selectors.capacity import describe_advantage, find_moments
from apps.metrics.selectors import Series, read_ranges
from apps.ml.models import Forecast
from apps.ml.selectors.bands import read_band, read_ribbons
from apps.ml.selectors.forecasts import find_forecasts
from apps.tests.models import Assignment
from apps.tests.selectors import RUN_TIER, list_disturbances, read_run_range

SourceName = tuple[str, str]
Column = tuple[int, str]
EMPTY = Series(0, [], [], [], [], [], [], [])
# Instead of a source: the results of the page's assignment, which have one value a run.
RUNS: SourceName = ("run", "")


@dataclass(frozen=True, slots=True)
class WantedLine:
    """A metric key of a source of the page; with `is_banded` also its extremes and percentiles.

    Of the source `RUNS` it is a figure of the results of the page's assignment.
    With `has_usual` also the band of what was usual, where the page wants one.
    """

    source: SourceName
    key: str
    is_banded: bool
    has_usual: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the charts of a page want to draw, in at most `points` points each.

    `shift` is how much earlier the compared time lies; None when nothing is compared. `usual` is a
    kind of band of `ml`; empty for none.
    """

    start: datetime
    end: datetime
    points: int
    shift: timedelta | None
    lines: Sequence[WantedLine]
    # Also what is expected next, where something is.
    is_foretold: bool = False
    usual: str = ""


def read_lines(
    source_ids: Mapping[SourceName, int], wanted: Wanted, *, assignment_id: UUID | None = None
) -> list[dict[str, Any]]:
    """A document for each wanted line; an empty one where there is no such source."""
    columns = [
        (source_ids[line.source], line.key) for line in wanted.lines if line.source in source_ids
    ]
    current = read_series(source_ids, wanted, timedelta(0), assignment_id)
    earlier = (
        {} if wanted.shift is None else read_series(source_ids, wanted, wanted.shift, assignment_id)
    )
    foretold = find_forecasts(columns) if wanted.is_foretold else {}
    ribbons = read_ribbons({source_id for source_id, _key in columns}, wanted.start, wanted.end)
    documents = []
    for line in wanted.lines:
        column = (source_ids.get(line.source, 0), line.key)
        own = current.get(line, EMPTY)
        document = describe_series(own, is_banded=line.is_banded)
        document["unusual"] = [asdict(mark) for mark in ribbons.get(column, [])]
        if wanted.usual and line.has_usual and line.source in source_ids:
            document["usual"] = describe_usual(column, wanted)
        if wanted.shift is not None:
            before = earlier.get(line, EMPTY)
            document |= describe_earlier(line.key, own, before, wanted.shift)
        if column in foretold:
            document["forecast"] = describe_expected(foretold[column])
        documents.append(document)
    return documents


def read_series(
    source_ids: Mapping[SourceName, int],
    wanted: Wanted,
    shift: timedelta,
    assignment_id: UUID | None,
) -> dict[WantedLine, Series]:
    """The series of each line that there is one of, so much earlier than is wanted."""
    places = {
        line: (source_ids[line.source], line.key)
        for line in wanted.lines
        if line.source in source_ids
    }
    columns = read_columns(list(places.values()), wanted, shift)
    found = {line: columns[column] for line, column in places.items()}
    if assignment_id is None:
        return found
    of_runs = [line for line in wanted.lines if line.source == RUNS]
    figures = read_figures(assignment_id, {line.key for line in of_runs}, wanted, shift)
    return found | {line: figures[line.key] for line in of_runs}


def read_figures(
    assignment_id: UUID, keys: Collection[str], wanted: Wanted, shift: timedelta
) -> dict[str, Series]:
    """What the results of the assignment's runs have of each key."""
    return {
        key: read_run_range(
            assignment_id=assignment_id,
            key=key,
            start=wanted.start - shift,
            end=wanted.end - shift,
            points=wanted.points,
        )
        for key in keys
    }


def read_columns(
    columns: Sequence[Column], wanted: Wanted, shift: timedelta
) -> dict[Column, Series]:
    """The series of each source and key; those of one key together."""
    by_key: dict[str, list[int]] = {}
    for source_id, key in dict.fromkeys(columns):
        by_key.setdefault(key, []).append(source_id)
    found: dict[Column, Series] = {}
    for key, ids in by_key.items():
        read = read_ranges(
            source_ids=ids,
            key=key,
            start=wanted.start - shift,
            end=wanted.end - shift,
            points=wanted.points,
        )
        found |= {(source_id, key): series for source_id, series in read.items()}
    return found


def read_disturbed(assignment: Assignment, wanted: Wanted) -> list[list[float]]:
    """Begin and end, in Unix seconds, of the times in which exclusive runs used a participant.

    Those that lie closer together than the points of a chart are one.
    """
    apart = (wanted.end - wanted.start).total_seconds() / wanted.points
    merged: list[list[float]] = []
    for begin, end in list_disturbances(assignment, start=wanted.start, end=wanted.end):
        if merged and begin.timestamp() - merged[-1][1] < apart:
            merged[-1][1] = max(merged[-1][1], end.timestamp())
        else:
            merged.append([begin.timestamp(), end.timestamp()])
    return merged


def describe_series(series: Series, *, is_banded: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "step_seconds": series.step_seconds,
        "tier": series.tier,
        "resolution": describe_resolution(series, is_banded=is_banded),
        "at": series.at,
        "mean": series.mean,
    }
    if is_banded:
        document |= {
            "minimum": series.minimum,
            "maximum": series.maximum,
            "p50": series.p50,
            "p95": series.p95,
        }
    return document


def describe_usual(column: Column, wanted: Wanted) -> dict[str, Any]:
    band = read_band(column, wanted.usual, start=wanted.start, end=wanted.end)
    return {
        "at": band.at.tolist(),
        "low": band.low.tolist(),
        "high": band.high.tolist(),
        "hold_seconds": band.hold_seconds,
    }


def describe_earlier(
    key: str, current: Series, earlier: Series, shift: timedelta
) -> dict[str, Any]:
    """The earlier series, moved so that both draw over each other, and what has changed since."""
    seconds = shift.total_seconds()
    return {
        "earlier": {"at": [at + seconds for at in earlier.at], "mean": earlier.mean},
        "changes": [change.as_document() for change in describe_changes(key, current, earlier)],
    }


def describe_expected(forecast: Forecast) -> dict[str, Any]:
    """The hours to come inside the interval of 80 %; empty where nothing is foretold.

    The note says how good the forecast is, or why there is none.
    """
    return {
        "at": find_moments(forecast),
        "mean": forecast.middle or [],
        "lower": forecast.lower or [],
        "upper": forecast.upper or [],
        "note": _("forecast: %(words)s") % {"words": describe_advantage(forecast)},
    }


def describe_resolution(series: Series, *, is_banded: bool) -> str:
    """What one point stands for; empty for a series without any."""
    if not series.at:
        return ""
    if not series.step_seconds:
        return _("one value a run") if series.tier == RUN_TIER else _("single values")
    step = {"step": write_step(series.step_seconds)}
    if series.tier == RUN_TIER:
        return _("%(step)s means of one value a run") % step
    if is_banded and series.is_estimated:
        return _("%(step)s means, percentiles estimated") % step
    return _("%(step)s means") % step


def write_step(seconds: int) -> str:
    """A whole step in its largest unit."""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % length == 0:
            return f"{seconds // length}{SPACE}{unit}"
    return f"{seconds}{SPACE}s"
