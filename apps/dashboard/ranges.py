"""What the charts of a page show: which time, compared with which, inside which band."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.core.clock import read_now
from apps.dashboard.forms.history import RangeForm

Label = str | Promise

RANGES: Mapping[str, tuple[Label, timedelta]] = {
    "15m": (_("15 min"), timedelta(minutes=15)),
    "1h": (_("1 h"), timedelta(hours=1)),
    "6h": (_("6 h"), timedelta(hours=6)),
    "24h": (_("24 h"), timedelta(hours=24)),
    "7d": (_("7 days"), timedelta(days=7)),
    "30d": (_("30 days"), timedelta(days=30)),
    "90d": (_("90 days"), timedelta(days=90)),
    "1y": (_("1 year"), timedelta(days=365)),
}
DEFAULT_RANGE = "15m"
# None: as long before as what is shown is long.
COMPARISONS: Mapping[str, tuple[Label, timedelta | None]] = {
    "": (_("Nothing"), None),
    "previous": (_("Previous period"), None),
    "day": (_("Day before"), timedelta(days=1)),
    "week": (_("Week before"), timedelta(days=7)),
    "month": (_("30 days before"), timedelta(days=30)),
}
DEFAULT_BAND = "both"
BANDS: Mapping[str, Label] = {
    "both": _("Both"),
    "extremes": _("Lowest to highest"),
    "percentiles": _("Median to 95th percentile"),
    "none": _("None"),
}
# What stands in the address while charts show what is expected next.
FORETOLD = "on"
# The band of what was usual before, drawn behind lines that stand alone.
USUAL: Mapping[str, Label] = {
    "": _("None"),
    "range": _("Range of 14 days"),
    "hour": _("Same hour of the day"),
}
CANONICAL = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several things to choose, as it stands in the address."""

    name: str
    label: Label
    is_current: bool


@dataclass(frozen=True, slots=True)
class History:
    """The charts as the page's address wants them.

    `start` and `end` are those of a free range, else None: then the charts end now and move on.
    """

    range_name: str
    start: datetime | None
    end: datetime | None
    comparison: str
    band: str
    form: RangeForm
    is_foretold: bool = False
    usual: str = ""

    @property
    def span(self) -> timedelta:
        if self.start is not None and self.end is not None:
            return self.end - self.start
        return RANGES[self.range_name][1]

    @property
    def span_seconds(self) -> float:
        return self.span.total_seconds()

    @property
    def is_free(self) -> bool:
        return self.start is not None

    @property
    def comparison_label(self) -> Label:
        """What the compared lines are called; empty when nothing is compared."""
        return COMPARISONS[self.comparison][0] if self.comparison else ""

    @property
    def ranges(self) -> list[Choice]:
        return [
            Choice(name, label, not self.is_free and name == self.range_name)
            for name, (label, _span) in RANGES.items()
        ]

    @property
    def comparisons(self) -> list[Choice]:
        return [
            Choice(name, label, name == self.comparison)
            for name, (label, _shift) in COMPARISONS.items()
        ]

    @property
    def bands(self) -> list[Choice]:
        return [Choice(name, label, name == self.band) for name, label in BANDS.items()]

    @property
    def usual_bands(self) -> list[Choice]:
        return [Choice(name, label, name == self.usual) for name, label in USUAL.items()]

    @property
    def usual_label(self) -> Label:
        """What the band of the usual is called; empty when there is none."""
        return USUAL[self.usual] if self.usual else ""

    @property
    def before(self) -> tuple[str, str]:
        """Start and end, as they stand in an address, of the period before."""
        start = self.start or read_now() - self.span
        return write_canonical(start - self.span), write_canonical(start)

    @property
    def after(self) -> tuple[str, str] | None:
        """The same of the period after; None when it has not begun."""
        if self.end is None or self.end >= read_now():
            return None
        return write_canonical(self.end), write_canonical(self.end + self.span)


def read_history(asked: QueryDict) -> History:
    """What the address asks for; what it says wrongly is as if it were not there.

    A free range that cannot be is told at the form's fields.
    """
    name = asked.get("range", "")
    comparison = asked.get("compare", "")
    band = asked.get("band", "")
    usual = asked.get("usual", "")
    start, end, form = None, None, RangeForm()
    if "start" in asked or "end" in asked:
        form = RangeForm(asked)
        if form.is_valid():
            start, end = form.cleaned_data["start"], form.cleaned_data["end"]
            form = RangeForm(initial=form.cleaned_data)
    return History(
        range_name=name if name in RANGES else DEFAULT_RANGE,
        start=start,
        end=end,
        comparison=comparison if comparison in COMPARISONS else "",
        band=band if band in BANDS else DEFAULT_BAND,
        form=form,
        is_foretold=asked.get("forecast") == FORETOLD,
        usual=usual if usual in USUAL else "",
    )


def fix_history(start: datetime, end: datetime) -> History:
    """Charts of a time that the page itself sets."""
    return History(DEFAULT_RANGE, start, end, "", DEFAULT_BAND, RangeForm())


def find_canonical(asked: QueryDict, history: History) -> str | None:
    """The query that means the same to users of every zone; None when it stands there already."""
    if history.start is None or history.end is None:
        return None
    wanted = {"start": write_canonical(history.start), "end": write_canonical(history.end)}
    if "range" not in asked and all(asked.get(name) == text for name, text in wanted.items()):
        return None
    query = asked.copy()
    query.pop("range", None)
    for name, text in wanted.items():
        query[name] = text
    return query.urlencode()


def write_canonical(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(CANONICAL)


def find_shift(comparison: str, span: timedelta) -> timedelta | None:
    """How long before the compared time lies; None when nothing is compared."""
    if comparison not in COMPARISONS or not comparison:
        return None
    return COMPARISONS[comparison][1] or span
