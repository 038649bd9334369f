"""How a series differs from the same one earlier, in words."""

from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from apps.dashboard.formats import SPACE, find_style, format_quantity
from apps.dashboard.kind_charts import COMPLEMENTS
from apps.metrics.catalogue import parse_key
from apps.metrics.selectors import Series
from apps.metrics.selectors.comparison import summarise_series

PERCENT = 100
# A smaller change is no news, good or bad; the least one that can be written is 0.1 %.
LEAST_RATIO = 0.02
LEAST_WRITTEN_RATIO = 0.0005
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
    """The changes of the mean and of the 95th percentile of the whole time.

    A metric that is drawn as its complement has that of its mean alone. Empty when either time
    holds no value.
    """
    now, before = summarise_series(current), summarise_series(earlier)
    if not now or not before:
        return []
    better = find_better(key)
    if key in COMPLEMENTS:
        pair = (1 - before["mean"], 1 - now["mean"])
        return [describe_change(_("Mean"), *pair, key=key, better=better)]
    return [
        describe_change(title, before[name], now[name], key=key, better=better)
        for name, title in (("mean", _("Mean")), ("p95", _("95th percentile")))
    ]


def find_better(key: str) -> str:
    """Which way of what is drawn is better: lower, higher or neutral."""
    parsed = parse_key(key)
    better = parsed.metric.better if parsed else "neutral"
    return OPPOSITES.get(better, better) if key in COMPLEMENTS else better


def describe_change(figure: str, before: float, now: float, *, key: str, better: str) -> Change:
    ratio = (now - before) / abs(before) if before else None
    is_same = now == before or (ratio is not None and abs(ratio) < LEAST_WRITTEN_RATIO)
    direction = "" if is_same else "higher" if now > before else "lower"
    is_news = bool(direction) and (ratio is None or abs(ratio) >= LEAST_RATIO)
    style = find_style(key)
    return Change(
        figure=figure,
        before=format_quantity(before, style),
        now=format_quantity(now, style),
        percent="" if ratio is None or not direction else write_percent(ratio),
        arrow={"higher": "▲", "lower": "▼"}.get(direction, "="),
        word=choose_word(direction, better) if is_news else _("about the same"),
        tone=choose_tone(direction, better) if is_news else "idle",
    )


def write_percent(ratio: float) -> str:
    sign = "+" if ratio > 0 else "\N{MINUS SIGN}"
    percent = abs(ratio) * PERCENT
    return f"{sign}{percent:.{0 if percent >= PERCENT else 1}f}{SPACE}%"


def choose_word(direction: str, better: str) -> str:
    if better not in OPPOSITES:
        return _("higher") if direction == "higher" else _("lower")
    return _("better") if direction == better else _("worse")


def choose_tone(direction: str, better: str) -> str:
    if better not in OPPOSITES:
        return "idle"
    return "good" if direction == better else "bad"
