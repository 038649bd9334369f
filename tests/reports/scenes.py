"""What reports have most to say about: of every sort of fact something, also of the time before."""

from datetime import timedelta

from apps.metrics.algorithms.tiers import HOUR_SECONDS, floor_moment
from apps.reports.selectors.facts.series import RECEIVED, SENT
from tests.factories.findings import VERDICT, make_diagnosis, make_finding
from tests.factories.forecasts import DISK, LINK, MEMORY, add_hours, make_forecast
from tests.factories.health import make_score
from tests.reports.conftest import measure

ADVICE = "Open a ticket with who runs hop 3 (192.0.2.1); attach the hop table."


def enrich(network, now):
    """More facts of the network's client: two periods of runs, figures and judgements."""
    client, bad = network["client"], network["bad"]
    measure(bad, now - timedelta(days=7, hours=3), [True] * 20 + [False] * 2 + [True] * 3)
    add_figures(client, now)
    failed_at = now - timedelta(hours=13, minutes=30)
    verdicts = [{**VERDICT, "cause": "path_loss", "recommendation": ADVICE}]
    row = make_diagnosis(client, cause="path_loss", at=failed_at, test=bad.test)
    row.verdicts = verdicts
    row.save()
    make_diagnosis(client, cause="lan", at=failed_at + timedelta(hours=1))
    at = now - timedelta(hours=2)
    for metric in ("system.cpu.utilization", "net.rtt.median", RECEIVED):
        make_finding(client, at=at, metric=metric)
    make_forecast(client)
    make_forecast(client, kind="host", subject="", metric=MEMORY, verdict="reached", full_at=None)
    make_forecast(client, kind="interface", subject="eth0", metric=LINK, verdict="not_growing")
    make_forecast(client, subject="/", verdict="beyond")
    make_forecast(client, subject="/new", verdict="")
    make_score(at=now, score=76, before=90)


def add_figures(client, now):
    """A day of traffic, of a disk and of the host."""
    newest = floor_moment(now, HOUR_SECONDS) - timedelta(hours=1)
    for kind, subject, key, value in (
        ("interface", "eth0", RECEIVED, 93_500_000.0),
        ("interface", "eth1", SENT, 1_234_000.0),
        ("filesystem", "/var", DISK, 0.66),
        ("host", "", "system.cpu.utilization", 0.425),
    ):
        add_hours(client, [value] * 24, kind=kind, subject=subject, key=key, newest=newest)
