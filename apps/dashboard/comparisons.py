"""How a series differs from the same one earlier, in words."""

from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from apps.dashboard.charts import COMPLEMENTS
from apps.dashboard.formats import SPACE, find_style, format_digits, format_quantity
from apps.metrics.catalogue import parse_key
from apps.metrics.selectors import Series

PERCENT = 100
# Less is within what the written figures are rounded to.
LEAST_RATIO = 0.0005
OPPOSITES = {"higher": "lower", "lower": "higher"}


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of a line, now and earlier; `tone` is good, bad or idle."""

    figure: str
    before: str
    now: str
    percent: str
    arrow: str
    word: str
    tone: str

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


def describe_changes(key: str, current: Series, earlier: Series) -> list[Change]:
    """The changes of the mean and, where it can be told, of the 95th percentile.

    Those of a metric that is drawn as its complement are of the complement. Empty when either
    time holds no value.
    """
    pairs = [(_("Mean"), compute_mean(earlier), compute_mean(current))]
    if key in COMPLEMENTS:
        pairs = [(name, complement(before), complement(now)) for name, before, now in pairs]
    better = find_better(key)
    return [
        describe_change(figure, before, now, key=key, better=better)
        for figure, before, now in pairs
        if before is not None and now is not None
    ]


def compute_mean(series: Series) -> float | None:
    """The mean of all single values; None when there is none."""
    total = sum(series.count)
    if not total:
        return None
    return sum(mean * count for mean, count in zip(series.mean, series.count, strict=True)) / total


def complement(ratio: float | None) -> float | None:
    return None if ratio is None else 1 - ratio


def find_better(key: str) -> str:
    """Which way of what is drawn is better: lower, higher or neutral."""
    parsed = parse_key(key)
    better = parsed.metric.better if parsed else "neutral"
    return OPPOSITES.get(better, better) if key in COMPLEMENTS else better


def describe_change(figure: str, before: float, now: float, *, key: str, better: str) -> Change:
    ratio = (now - before) / abs(before) if before else None
    is_same = now == before or (ratio is not None and abs(ratio) < LEAST_RATIO)
    direction = "" if is_same else "higher" if now > before else "lower"
    style = find_style(key)
    return Change(
        figure=figure,
        before=format_quantity(before, style),
        now=format_quantity(now, style),
        percent="" if is_same or ratio is None else write_percent(ratio),
        arrow={"higher": "▲", "lower": "▼"}.get(direction, "="),
        word=choose_word(direction, better),
        tone=choose_tone(direction, better),
    )


def write_percent(ratio: float) -> str:
    sign = "+" if ratio > 0 else "\N{MINUS SIGN}"
    return f"{sign}{format_digits(abs(ratio) * PERCENT)}{SPACE}%"


def choose_word(direction: str, better: str) -> str:
    if not direction:
        return _("unchanged")
    if better not in OPPOSITES:
        return _("higher") if direction == "higher" else _("lower")
    return _("better") if direction == better else _("worse")


def choose_tone(direction: str, better: str) -> str:
    if not direction or better not in OPPOSITES:
        return "idle"
    return "good" if direction == better else "bad"
