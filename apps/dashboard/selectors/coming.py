"""What is expected next, as tables: of a test on a client, and of one that is being typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.clock import read_now
from apps.dashboard.formats import format_period
from apps.dashboard.selectors.capacity import describe_advantage, find_moments
from apps.metrics.algorithms.tiers import HOUR_SECONDS
from apps.ml.algorithms.expectations import Expected
from apps.ml.algorithms.next_values import HORIZONS
from apps.ml.errors import NoModel
from apps.ml.models import Forecast
from apps.ml.selectors.expectations import Expectation
from apps.ml.selectors.forecasts import find_forecasts
from apps.ml.selectors.joint_sentences import name_subject
from apps.ml.selectors.observations import list_said
from apps.ml.selectors.predictions import Prediction, Predictions, predict_next
from apps.tests.models import Assignment

# Above the highest of a bar's figures.
ROOM = 1.08


@dataclass(frozen=True, slots=True)
class Cell:
    """A value to come inside its interval; without one, `reason` says why."""

    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ComingRow:
    key: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Coming:
    """A line a headline and a column a moment; the notes say by what, and how well."""

    columns: tuple[str, ...]
    rows: tuple[ComingRow, ...]
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[tuple[str, list[tuple[str, Cell]]]]:
        """Each headline with its cells, each with the name of its column."""
        return [(row.key, list(zip(self.columns, row.cells, strict=True))) for row in self.rows]


@dataclass(frozen=True, slots=True)
class ExpectedRow:
    """A headline of a test that is typed; the places are percent of the width of its bar."""

    key: str
    expected: Expected
    low_place: float
    middle_place: float
    width: float


def describe_coming(assignment: Assignment) -> Coming | None:
    """What is expected of a test on a client; None while neither a model nor a forecast exists."""
    try:
        said = predict_next(assignment)
    except NoModel:
        said = None
    keys = list_said(assignment.test.kind)
    source_id = assignment.source_id or 0
    forecasts = find_forecasts((source_id, key) for key in keys)
    if said is None and not forecasts:
        return None
    tables = [describe_predictions(said, keys)] if said else []
    if forecasts:
        hours = {key: forecasts.get((source_id, key)) for key in keys}
        tables.append(describe_hours(hours, read_now()))
    rows = [
        ComingRow(key, tuple(cell for table in tables for cell in table.rows[place].cells))
        for place, key in enumerate(keys)
    ]
    return Coming(
        columns=tuple(column for table in tables for column in table.columns),
        rows=tuple(row for row in rows if any(cell.value is not None for cell in row.cells)),
        notes=tuple(note for table in tables for note in table.notes),
    )


def describe_predictions(said: Predictions, keys: Sequence[str]) -> Coming:
    """A column for each distance ahead that is said of any of the headlines."""
    found = {(one.key, one.horizon): one for one in said.values}
    horizons = [one for one in HORIZONS if any(key for key, horizon in found if horizon == one)]
    rows = [
        ComingRow(key, tuple(describe_cell(found.get((key, horizon))) for horizon in horizons))
        for key in keys
    ]
    best = max(one.saved_percent for one in said.values)
    least = min(one.saved_percent for one in said.values)
    note = _(
        "Learned from %(count)d results; at past origins its errors were %(least)d to %(best)d %% "
        "smaller than those of the last value. What the last value says as well is left out."
    )
    figures = {"count": said.version.row_count, "least": int(least), "best": int(best)}
    notes = [note % figures]
    if said.unlike:
        names = ", ".join(name_subject(key) for key in said.unlike)
        outside = _("The newest value is outside of all that was learned from: %(names)s.")
        notes.append(outside % {"names": names})
    columns = tuple(name_horizon(horizon, said) for horizon in horizons)
    return Coming(columns, tuple(rows), tuple(notes))


def name_horizon(horizon: int, said: Predictions) -> str:
    """For example "in 6 runs (30 min)"."""
    first = next(one for one in said.values if one.horizon == horizon)
    if horizon == 1:
        return _("next run")
    seconds = round((first.expected_at - said.last_at).total_seconds())
    words = ngettext("in %(count)d run", "in %(count)d runs", horizon) % {"count": horizon}
    return f"{words} ({format_period(seconds)})" if seconds else words


def describe_cell(one: Prediction | None) -> Cell:
    if one is None:
        return Cell(reason=_("The last value says as much, or nothing was measured."))
    note = _("errors %(percent)d %% smaller than the last value's")
    return Cell(one.value, one.low, one.high, note=note % {"percent": int(one.saved_percent)})


def describe_hours(hours: Mapping[str, Forecast | None], now: datetime) -> Coming:
    """The hour that goes on, or the first one to come, of each forecast."""
    rows = [ComingRow(key, (describe_hour(row, now),)) for key, row in hours.items()]
    told = next((row for row in hours.values() if row is not None and not row.refusal), None)
    refused = next((row for row in hours.values() if row is not None), None)
    source = told or refused
    note = _("Next hour: %(words)s.") % {"words": describe_advantage(source)} if source else ""
    return Coming((_("next hour"),), tuple(rows), (note,) if note else ())


def describe_hour(row: Forecast | None, now: datetime) -> Cell:
    if row is None:
        return Cell(reason=_("No forecast was made yet."))
    moments = find_moments(row)
    place = next(
        (at for at, begin in enumerate(moments) if begin + HOUR_SECONDS > now.timestamp()), None
    )
    if place is None or row.middle is None or row.lower is None or row.upper is None:
        return Cell(reason=describe_advantage(row) if row.refusal else _("It is too old."))
    value, low, high = (column[place] for column in (row.middle, row.lower, row.upper))
    if value is None or low is None or high is None:
        return Cell(reason=_("Nothing is foretold of this hour."))
    return Cell(value, low, high)


def describe_expectation(expectation: Expectation) -> list[ExpectedRow]:
    """Each headline with its bar, which begins at nothing where no value is below it."""
    return [place_bar(key, expected) for key, expected in expectation.figures.items()]


def place_bar(key: str, expected: Expected) -> ExpectedRow:
    begin = min(expected.low * ROOM, 0.0)
    span = max(expected.high * ROOM, 0.0) - begin or 1.0
    low, middle, high = (
        100 * (one - begin) / span for one in (expected.low, expected.middle, expected.high)
    )
    return ExpectedRow(key, expected, low, middle, max(high - low, 1.0))


def describe_said(expectation: Expectation) -> Coming | None:
    """What the model says of the runs to come of a known test."""
    said = expectation.predictions
    if said is None:
        return None
    keys = list(dict.fromkeys(one.key for one in said.values))
    return describe_predictions(said, keys)
