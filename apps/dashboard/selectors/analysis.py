"""An analysis as its page tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.dashboard.formats import ABSENT, SPACE, Style, find_style, format_quantity
from apps.dashboard.selectors.capacity import Standing
from apps.dashboard.selectors.fleet import HeatMap, HeatRow, Scale, make_cells
from apps.reports.sections.wording import write_share
from apps.reports.selectors.analysis import (
    SIGNIFICANT,
    Analysis,
    Headline,
    TestAvailability,
    TopChange,
    Traffic,
)

PERCENT = 100
HOURS_SHOWN = 24
LEAST_WRITTEN_PERCENT = 0.05
LEAST_WRITTEN_CHANCE = 0.001
NAMES: Mapping[str, str | Promise] = {
    "availability": gettext_lazy("Availability"),
    "failures": gettext_lazy("Failed runs"),
    "anomalies": gettext_lazy("Anomalies"),
    "traffic_receive": gettext_lazy("Received"),
    "traffic_transmit": gettext_lazy("Sent"),
}
STYLES = {"bit/s": Style.BIT_RATE}
STANDINGS: Mapping[str, tuple[str, str, str | Promise]] = {
    "new": ("idle", "circle-dashed", gettext_lazy("Nothing before")),
    "missing": ("idle", "circle-dashed", gettext_lazy("Not measured")),
    "same": ("idle", "circle-check", gettext_lazy("Unchanged")),
    "by_chance": ("idle", "circle-dashed", gettext_lazy("Within chance")),
    "better": ("good", "circle-check", gettext_lazy("Better")),
    "worse": ("bad", "alert-triangle", gettext_lazy("Worse")),
    "higher": ("idle", "chart-line", gettext_lazy("Higher")),
    "lower": ("idle", "chart-line", gettext_lazy("Lower")),
}
DIRECTIONS: Mapping[str, str | Promise] = {
    "receive": gettext_lazy("Received"),
    "transmit": gettext_lazy("Sent"),
}
METRIC_NAMES: Mapping[str, str | Promise] = {
    "net.rtt.median": gettext_lazy("Round-trip time"),
    "net.packet.loss.ratio": gettext_lazy("Packet loss"),
    "net.jitter.rfc3550": gettext_lazy("Jitter"),
    "net.throughput.tcp.receive": gettext_lazy("TCP throughput in"),
    "net.throughput.tcp.send": gettext_lazy("TCP throughput out"),
    "net.throughput.http.download": gettext_lazy("Download"),
    "http.client.request.duration": gettext_lazy("HTTP request"),
    "tls.handshake.duration": gettext_lazy("TLS handshake"),
    "system.cpu.utilization": gettext_lazy("Processor"),
    "system.memory.utilization": gettext_lazy("Memory"),
}
WEEKDAYS = (
    gettext_lazy("Monday"),
    gettext_lazy("Tuesday"),
    gettext_lazy("Wednesday"),
    gettext_lazy("Thursday"),
    gettext_lazy("Friday"),
    gettext_lazy("Saturday"),
    gettext_lazy("Sunday"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure beside the one of the period before."""

    name: str
    now: str
    before: str
    change: str
    chance: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class TestRow:
    """How available a test was; `bounds` is the interval of 95 %."""

    __test__ = False

    name: str
    url: str
    share: str
    bounds: str
    runs: str
    coverage: str
    before: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class TrafficPart:
    """One direction of all links: its trend and peak in words, and the week as a heat map."""

    name: str
    title: str
    mean: str
    links: int
    trend: str
    peak: str
    peak_at: datetime | None
    peak_clients: Sequence[tuple[str, str]]
    week: HeatMap | None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    metric: str
    client: str
    client_url: str
    test: str
    test_url: str
    now: str
    before: str
    change: str
    size: str
    standing: Standing


def make_standing(word: str) -> Standing:
    tone, icon, label = STANDINGS[word]
    return Standing(tone, icon, str(label))


def describe_headline(headline: Headline) -> Figure:
    return Figure(
        name=str(NAMES[headline.name]),
        now=write_figure(headline.now, headline.unit),
        before=write_figure(headline.before, headline.unit),
        change=write_percent(headline.ratio),
        chance=write_chance(headline.chance),
        standing=make_standing(headline.verdict),
    )


def write_figure(value: float | None, unit: str) -> str:
    """A share as a report writes it, so that both can be laid side by side."""
    if unit == "1":
        return write_share(value)
    return format_quantity(value, STYLES.get(unit, Style.NUMBER))


def describe_test(row: TestAvailability) -> TestRow:
    share, before = row.share, row.before
    bounds = ABSENT
    if share is not None:
        low, high = write_share(share.low), write_share(share.high)
        bounds = _("%(low)s to %(high)s") % {"low": low, "high": high}
    runs = f"{share.successes} / {share.total}" if share else ABSENT
    return TestRow(
        name=row.name,
        url=reverse("dashboard:test", args=[row.test_id]),
        share=write_share(share.share if share else None),
        bounds=bounds,
        runs=runs,
        coverage=write_share(row.coverage),
        before=write_share(before.share if before else None),
        standing=judge_test(row),
    )


def judge_test(row: TestAvailability) -> Standing:
    if row.share is None or row.before is None:
        return make_standing("missing" if row.share is None else "new")
    if row.share.share == row.before.share:
        return make_standing("same")
    if row.chance is not None and row.chance >= SIGNIFICANT:
        return make_standing("by_chance")
    return make_standing("better" if row.share.share > row.before.share else "worse")


def describe_traffic(traffic: Traffic) -> TrafficPart:
    peak = traffic.peak
    return TrafficPart(
        name=traffic.direction,
        title=str(DIRECTIONS[traffic.direction]),
        mean=format_quantity(traffic.mean, Style.BIT_RATE),
        links=traffic.links,
        trend=write_trend(traffic),
        peak=format_quantity(peak.bits_per_second if peak else None, Style.BIT_RATE),
        peak_at=peak.at if peak else None,
        peak_clients=[
            (one.name, format_quantity(one.bits_per_second, Style.BIT_RATE))
            for one in (peak.clients if peak else ())
        ],
        week=draw_week(traffic),
    )


def write_trend(traffic: Traffic) -> str:
    trend = traffic.trend
    if trend is None:
        return _("too short a time for a trend")
    if not trend.is_clear:
        return _("no clear trend")
    pace = format_quantity(abs(trend.per_day), Style.BIT_RATE)
    words = _("%(pace)s more each day") if trend.per_day > 0 else _("%(pace)s less each day")
    return words % {"pace": pace}


def draw_week(traffic: Traffic) -> HeatMap | None:
    """A row for each weekday, a field for each hour; None where nothing was measured."""
    table = np.array(traffic.week, dtype=np.float64)
    if np.isnan(table).all():
        return None
    scale = Scale.of(table)
    titles = [f"{hour:02}:00" for hour in range(HOURS_SHOWN)]
    rows = []
    for weekday, means in zip(WEEKDAYS, table, strict=True):
        known = means[~np.isnan(means)]
        rows.append(
            HeatRow(
                label=str(weekday),
                url="",
                mean=write_rate(float(known.mean()) if len(known) else None),
                highest=write_rate(float(known.max()) if len(known) else None),
                cells=make_cells(
                    [f"{weekday} {title}" for title in titles], means, scale, Style.BIT_RATE
                ),
            )
        )
    return HeatMap(
        rows=rows,
        width=HOURS_SHOWN,
        step=_("1 h"),
        lowest=write_rate(scale.low),
        highest=write_rate(scale.high),
        first=titles[0],
        last=titles[-1],
    )


def write_rate(value: float | None) -> str:
    return format_quantity(value, Style.BIT_RATE)


def describe_change(change: TopChange) -> ChangeRow:
    style = find_style(change.metric)
    verdict = "higher" if change.effect.size > 0 else "lower"
    if change.is_better is not None:
        verdict = "better" if change.is_better else "worse"
    test_url = reverse("dashboard:test", args=[change.test_id]) if change.test_id else ""
    return ChangeRow(
        metric=str(METRIC_NAMES.get(change.metric, change.metric)),
        client=change.client,
        client_url=reverse("dashboard:client", args=[change.client_id]),
        test=change.test,
        test_url=test_url,
        now=format_quantity(change.effect.now, style),
        before=format_quantity(change.effect.before, style),
        change=write_percent(change.ratio),
        size=_("%(size)s usual spreads") % {"size": write_size(abs(change.effect.size))},
        standing=make_standing(verdict),
    )


def write_size(size: float) -> str:
    return f"{size:.1f}" if size < PERCENT else "> 100"


def write_percent(ratio: float | None) -> str:
    if ratio is None:
        return ABSENT
    percent = ratio * PERCENT
    return f"{percent:+.1f}{SPACE}%" if abs(percent) >= LEAST_WRITTEN_PERCENT else f"0{SPACE}%"


def write_chance(chance: float | None) -> str:
    """How probable the difference is by chance alone; empty where that is not counted."""
    if chance is None:
        return ""
    return "< 0.001" if chance < LEAST_WRITTEN_CHANCE else f"{chance:.2g}"


def describe_analysis(analysis: Analysis) -> dict[str, object]:
    """What the template shows."""
    return {
        "figures": [describe_headline(one) for one in analysis.headlines],
        "tests": [describe_test(one) for one in analysis.availability.tests],
        "traffic": [describe_traffic(one) for one in analysis.traffic],
        "changes": [describe_change(one) for one in analysis.changes],
        "anomalies": analysis.anomalies,
        "anomaly_metrics": [
            (str(METRIC_NAMES.get(one.name, one.name)), one.count)
            for one in analysis.anomalies.metrics
        ],
        "availability": analysis.availability,
        "coverage": write_share(analysis.availability.coverage),
    }
