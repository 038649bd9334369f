"""The overview's tiles: a figure, what is behind it, and its last hour as a small drawing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import AnyUser
from apps.clients.selectors import count_presence
from apps.core.clock import read_now
from apps.dashboard.formats import ABSENT, Style, format_number, format_quantity
from apps.dashboard.selectors.health import Standing, read_standing
from apps.dashboard.selectors.overview import TestCounts, count_tests
from apps.dashboard.selectors.trends import Intake, Trend, read_intake
from apps.ml.algorithms.health import Band, find_band
from apps.ml.selectors.findings import count_by_hour

TILE_SPAN = timedelta(hours=1)
ANOMALY_SPAN = timedelta(hours=24)
NO_TREND = Trend(
    step_seconds=60,
    at=[],
    runs=[],
    failures=[],
    round_trip_p50=[],
    round_trip_p95=[],
    loss=[],
    sampled_share=1.0,
)
SPARK_WIDTH, SPARK_HEIGHT = 120, 28
POINTS_OF_A_LINE = 2
ON_ITS_WAY = "…"
MINUS = "\N{MINUS SIGN}"
BAND_TONES = {
    Band.HEALTHY: "good",
    Band.WARNING: "warning",
    Band.CRITICAL: "bad",
    Band.UNKNOWN: "idle",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """`tone` is good, warning, bad or idle; `spark` the points of an SVG polyline, or empty."""

    title: str
    value: str
    detail: str
    tone: str
    url: str
    icon: str
    spark: str = ""


def draw_spark(values: Sequence[float | None]) -> str:
    """The points of a polyline through the known values: a box of 120 x 28, zero at the bottom."""
    known = [value for value in values if value is not None]
    if len(known) < POINTS_OF_A_LINE:
        return ""
    highest = max(known) or 1.0
    step = SPARK_WIDTH / (len(values) - 1)
    points = (
        f"{place * step:.1f},{SPARK_HEIGHT - 1 - value / highest * (SPARK_HEIGHT - 2):.1f}"
        for place, value in enumerate(values)
        if value is not None
    )
    return " ".join(points)


def build_tiles(user: AnyUser, trend: Trend | None) -> list[Tile]:
    """The eight tiles; those that need the trend say so while it is not at hand."""
    return [
        build_health_tile(read_standing(user)),
        build_client_tile(count_presence(user)),
        build_test_tile(count_tests(user), trend),
        *build_trend_tiles(trend),
        build_anomaly_tile(count_anomalies(user, read_now())),
        build_intake_tile(read_intake(user)),
    ]


def build_trend_tiles(trend: Trend | None) -> list[Tile]:
    known = trend or NO_TREND
    tiles = [build_run_tile(known), build_round_trip_tile(known), build_loss_tile(known)]
    if trend is not None:
        return tiles
    return [replace(tile, value=ON_ITS_WAY, detail="", tone="idle") for tile in tiles]


def build_health_tile(standing: Standing) -> Tile:
    parts = []
    if standing.score is not None and standing.day_before is not None:
        change = standing.score - standing.day_before
        sign = "+" if change > 0 else MINUS if change < 0 else "±"
        parts.append(_("%(change)s in a day") % {"change": f"{sign}{abs(change)}"})
    if standing.unknown_count:
        parts.append(_("%(count)s unknown") % {"count": standing.unknown_count})
    return Tile(
        title=_("Health"),
        value=ABSENT if standing.score is None else str(standing.score),
        detail=" · ".join(parts)
        or (_("nothing scored yet") if standing.score is None else _("no earlier score")),
        tone=BAND_TONES[find_band(standing.score)],
        url=reverse("dashboard:health"),
        icon="heartbeat",
        spark=draw_spark(standing.course),
    )


def build_client_tile(presence: dict[str, int]) -> Tile:
    total = sum(presence.values())
    parts = [
        text
        for count, text in (
            (presence["offline"], _("%(count)s offline")),
            (presence["late"], _("%(count)s late")),
        )
        for text in ([text % {"count": count}] if count else [])
    ]
    tone = "bad" if presence["offline"] else "warning" if presence["late"] else "good"
    return Tile(
        title=_("Clients online"),
        value=f"{presence['online']} / {total}",
        detail=" · ".join(parts) or (_("all present") if total else _("none enrolled")),
        tone=tone if total else "idle",
        url=reverse("dashboard:clients"),
        icon="server",
    )


def build_test_tile(counts: TestCounts, trend: Trend | None) -> Tile:
    if counts.failing:
        detail = _("%(failing)s failing · %(waiting)s waiting") % {
            "failing": counts.failing,
            "waiting": counts.waiting,
        }
    elif counts.waiting:
        detail = _("%(waiting)s waiting for a result") % {"waiting": counts.waiting}
    else:
        detail = _("all passing") if counts.total else _("none defined")
    tone = "bad" if counts.failing else "good" if counts.passing else "idle"
    return Tile(
        title=_("Tests passing"),
        value=f"{counts.passing} / {counts.total}",
        detail=detail,
        tone=tone,
        url=f"{reverse('dashboard:tests')}{'?state=failing' if counts.failing else ''}",
        icon="activity",
        spark=draw_spark(list_success_ratios(trend or NO_TREND)),
    )


def list_success_ratios(trend: Trend) -> list[float | None]:
    return [
        (runs - failures) / runs if runs else None
        for runs, failures in zip(trend.runs, trend.failures, strict=True)
    ]


def build_run_tile(trend: Trend) -> Tile:
    total, failed = sum(trend.runs), sum(trend.failures)
    return Tile(
        title=_("Runs last hour"),
        value=format_number(total),
        detail=_("%(count)s without success") % {"count": format_number(failed)}
        if failed
        else _("none without success"),
        tone="idle" if not total else "warning" if failed else "good",
        url=reverse("dashboard:runs"),
        icon="history",
        spark=draw_spark(trend.runs[:-1]),
    )


def build_round_trip_tile(trend: Trend) -> Tile:
    p95 = find_newest(trend.round_trip_p95)
    return Tile(
        title=_("Round trip"),
        value=format_quantity(find_newest(trend.round_trip_p50), Style.DURATION),
        detail=_("p95 %(value)s") % {"value": format_quantity(p95, Style.DURATION)},
        tone="idle",
        url=f"{reverse('dashboard:tests')}?kind=ping",
        icon="arrows-exchange",
        spark=draw_spark(trend.round_trip_p50),
    )


def build_loss_tile(trend: Trend) -> Tile:
    loss = find_newest(trend.loss)
    worst = max((value for value in trend.loss if value is not None), default=None)
    return Tile(
        title=_("Packet loss"),
        value=format_quantity(loss, Style.RATIO),
        detail=_("worst %(value)s") % {"value": format_quantity(worst, Style.RATIO)},
        tone="idle" if loss is None else "warning" if loss > 0 else "good",
        url=f"{reverse('dashboard:tests')}?kind=ping",
        icon="antenna-bars-5",
        spark=draw_spark(trend.loss),
    )


def build_intake_tile(intake: Intake) -> Tile:
    return Tile(
        title=_("Records a minute"),
        value=format_number(intake.stored),
        detail=_("some refused in the hour") if intake.has_refused else _("none refused"),
        tone="warning" if intake.has_refused else "good" if intake.stored else "idle",
        url=reverse("dashboard:clients"),
        icon="database",
    )


def count_anomalies(user: AnyUser, now: datetime) -> list[int]:
    """Those of each of the last 48 hours, oldest first."""
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return count_by_hour(user, start=end - 2 * ANOMALY_SPAN, end=end)


def build_anomaly_tile(hours: Sequence[int]) -> Tile:
    day_hours = len(hours) // 2
    before, day = sum(hours[:day_hours]), sum(hours[day_hours:])
    change = day - before
    sign = "+" if change > 0 else MINUS if change < 0 else "±"
    return Tile(
        title=_("Anomalies 24 h"),
        value=format_number(day),
        detail=_("%(change)s in a day") % {"change": f"{sign}{format_number(abs(change))}"}
        if before or day
        else _("none in two days"),
        tone="warning" if day else "good",
        url=f"{reverse('dashboard:findings')}?period=24h",
        icon="alert-triangle",
        spark=draw_spark([*hours[day_hours:]]) if day else "",
    )


def find_newest(column: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(column) if value is not None), None)
