"""How fast HTTP went, and what that did to delay."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from apps.dashboard.cards.base import Card
from apps.dashboard.cards.course import (
    Bars,
    Figure,
    Grade,
    Label,
    draw_bars,
    list_figures,
    list_numbers,
    read_grade,
)
from apps.dashboard.cards.throughput import LIMIT_SHARE, OWN_LIMIT, Bottleneck, read_limit
from apps.dashboard.selectors.documents import list_counts, read_number, read_text
from apps.tests.models import Result, Run

BITS_PER_BYTE = 8
MOST_FAILURES = 10
RATES: tuple[tuple[str, Label], ...] = (
    ("net.throughput.http.download", _("Download")),
    ("net.throughput.http.upload", _("Upload")),
)
FIGURES: tuple[tuple[str, Label], ...] = (
    ("net.latency.loaded.download", _("Connect under load")),
    ("net.latency.loaded.upload", _("Connect under load")),
    ("net.bufferbloat.delta", _("Load adds")),
    ("net.responsiveness", _("Round trips a minute under load")),
    ("net.throughput.stability", _("Rate swings by")),
    ("net.throughput.ramp_time", _("At speed after")),
    ("net.throughput.cpu.local", _("Processors here")),
)


@dataclass(frozen=True, slots=True)
class HttpThroughputView:
    """What the card shows; `moved` in bytes, failures by text with how often each occurred."""

    rates: tuple[Figure, ...]
    bottleneck: Bottleneck | None
    grade: Grade | None
    bars: Bars | None
    address: str
    moved: float | None
    streams: float | None
    figures: tuple[Figure, ...]
    failures: tuple[tuple[str, float], ...]


def build_http_throughput_card(run: Run, result: Result) -> Card | None:
    document = result.document
    rates = list_figures(result.values, RATES)
    failures = list_counts(document.get("failures"))[:MOST_FAILURES]
    if not rates and not failures:
        return None
    limit = read_limit(run, "max_megabits")
    is_limited = limit is not None and any(rate.value >= LIMIT_SHARE * limit for rate in rates)
    # What the last second holds ends with the run, so its bar would be too low.
    whole = list_numbers(document.get("seconds"), BITS_PER_BYTE)[:-1]
    view = HttpThroughputView(
        rates=rates,
        bottleneck=Bottleneck(*OWN_LIMIT) if is_limited else None,
        grade=read_grade(document.get("grade")),
        bars=draw_bars(whole),
        address=read_text(document.get("address")),
        moved=read_number(document.get("bytes")),
        streams=read_number(document.get("streams")),
        figures=list_figures(result.values, FIGURES),
        failures=failures,
    )
    return Card("dashboard/cards/http_throughput.html", view)
