import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.accounts.policy import build_onlooker
from apps.clients.selectors import list_sites
from apps.core.clock import read_now
from apps.reports.selectors.analysis import (
    LONGEST,
    METHOD,
    SHORTEST,
    Analysis,
    Question,
    Traffic,
    build_document,
    check_period,
    read_analysis,
)

FEWEST_HOURS = SHORTEST / timedelta(hours=1)
MOST_HOURS = LONGEST / timedelta(hours=1)
MOST_TESTS = 10
PERCENT = 100
MEGA = 1e6
WORDS = {
    "new": "nothing before",
    "missing": "nothing measured",
    "same": "unchanged",
    "by_chance": "within chance",
}


class Command(BaseCommand):
    help = (
        "Analyse the last hours of all clients beside the same time before: availability, "
        "anomalies, traffic, and what changed most. The page Analysis and /api/v1/analysis/ say "
        "the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hours", type=float, default=24.0, help="default: 24")
        parser.add_argument("--site", default="", help="only clients at the site of this slug")
        parser.add_argument("--zone", default=settings.TIME_ZONE, help="for days and hours")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        analysis = read_analysis(build_question(options))
        if options["json"]:
            document = build_document(analysis)
            self.stdout.write(json.dumps(document, indent=1, default=str))
            return
        for line in write_analysis(analysis):
            self.stdout.write(line)


def build_question(options: dict[str, Any]) -> Question:
    hours, zone = options["hours"], options["zone"]
    if not FEWEST_HOURS <= hours <= MOST_HOURS:
        raise CommandError(f"--hours: must be from {FEWEST_HOURS:.4f} to {MOST_HOURS:.0f}")
    if zone not in available_timezones():
        raise CommandError(f"--zone: there is no zone {zone!r}")
    onlooker, end = build_onlooker(), read_now()
    site = options["site"]
    if site and not list_sites(onlooker).filter(slug=site).exists():
        raise CommandError(f"--site: there is no site {site!r}")
    return Question(
        user=onlooker,
        period=check_period(end - timedelta(hours=hours), end),
        zone=ZoneInfo(zone),
        site=site,
    )


def write_analysis(analysis: Analysis) -> Iterator[str]:
    """What people read, line by line."""
    period, zone = analysis.question.period, analysis.question.zone
    start, end = (moment.astimezone(zone) for moment in (period.start, period.end))
    yield f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({zone.key}), beside the time before"
    yield ""
    for one in analysis.headlines:
        ratio = "" if one.ratio is None else f"{one.ratio * PERCENT:+.1f} %"
        now, before = write_figure(one.now, one.unit), write_figure(one.before, one.unit)
        words = WORDS.get(one.verdict, one.verdict)
        yield f"{one.name:<18} {now:>14}  before {before:>14}  {ratio:>10}  {words}"
    yield ""
    yield f"Availability: {METHOD}"
    for test in analysis.availability.tests[:MOST_TESTS]:
        share = write_figure(test.share.share if test.share else None, "1")
        coverage = write_figure(test.coverage, "1")
        yield f"  {share:>9}  coverage {coverage:>9}  {test.name}"
    for traffic in analysis.traffic:
        yield from write_traffic(traffic, analysis)
    if analysis.changes:
        yield "Changed most (in usual spreads)"
    for change in analysis.changes:
        where = f"{change.client}, {change.test}" if change.test else change.client
        yield f"  {change.effect.size:+8.1f}  {change.metric:<28} {where}"


def write_traffic(traffic: Traffic, analysis: Analysis) -> Iterator[str]:
    if traffic.peak is None:
        yield f"Traffic, {traffic.direction}: nothing measured"
        return
    peak = traffic.peak
    at = peak.at.astimezone(analysis.question.zone)
    names = ", ".join(one.name for one in peak.clients)
    figure = write_figure(peak.bits_per_second, "bit/s")
    yield f"Traffic, {traffic.direction}: peak {figure} at {at:%Y-%m-%d %H:%M} ({names})"
    if traffic.trend is not None:
        words = "clear" if traffic.trend.is_clear else "within chance"
        yield f"  trend {traffic.trend.per_day / MEGA:+.3f} Mbit/s a day, {words}"


def write_figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "1":
        return f"{value * PERCENT:.3f} %"
    return f"{value / MEGA:.3f} Mbit/s" if unit == "bit/s" else f"{value:.0f}"
