"""What an executive report of 30 days, 50 clients and 200 tests costs, and its live preview.

Each client runs four tests every 15 minutes, as it did in the 30 days before, which are compared;
the hours of the metrics are kept as the worker keeps them. Measured in a process that did nothing
else: processor seconds of building (reading the database included on SQLite, whose work is done in
the process) and of printing in its own process, the greatest memory of both, and the time that the
preview takes the server, once when all is new and again.

    python -m benchmarks.reports [--clients 50] [--every 900]
"""

import argparse
import random
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring.report import Claim, finish_all, print_table
from benchmarks.planner import prepare
from tests.servers.redis import run_redis

if TYPE_CHECKING:
    from apps.tests.models import Assignment, Result, Run

DAYS = 60
TESTS = 4
SITES = 5
BAD_SHARE = 0.003
KINDS = (
    ("ping", ("net.rtt.median", "net.packet.loss.ratio")),
    ("tcp", ("net.rtt.tcp_connect",)),
    ("http", ("http.client.request.duration",)),
    ("dns", ("dns.lookup.duration",)),
)
TARGETS = {"http": "http://192.0.2.1/"}
PARAMETERS: dict[str, dict[str, Any]] = {"tcp": {"port": 443}, "dns": {"name": "example.org"}}
LINK = ("system.network.io.rate{direction=receive}", "system.network.io.rate{direction=transmit}")
GOALS = {"seconds": 10.0, "megabytes": 300.0, "preview": 1.0}
ROWS_AT_ONCE = 5_000
WEEK = timedelta(days=7)
SETTLED = timedelta(hours=13)
LAYING_SECONDS = 600.0


def fill(clients: int, every: int, end: datetime) -> None:
    """Clients, tests, runs with their results, and hours of metrics."""
    from apps.clients.models import Client, Site
    from apps.metrics.services import know_source
    from apps.tests.models import Assignment
    from tests.factories.tests import make_test

    rng = random.Random(3)  # noqa: S311 - the same again and again
    sites = [Site.objects.create(slug=f"site-{n}", name=f"Site {n}") for n in range(SITES)]
    hosts = Client.objects.bulk_create(
        Client(name=f"host-{n:02}", site=sites[n % SITES], enrolled_at=end) for n in range(clients)
    )
    start = end - timedelta(days=DAYS)
    for kind, keys in KINDS:
        test = make_test(
            f"{kind} of the shop",
            kind=kind,
            target=TARGETS.get(kind, "192.0.2.1"),
            parameters=PARAMETERS.get(kind, {}),
            every_seconds=every,
        )
        for host in hosts:
            source = know_source(host.id, "assignment", f"{test.id}-{host.id}")
            one = Assignment.objects.create(
                test=test, client=host, source_id=source, created_at=start
            )
            add_runs(one, start, end, every, rng)
            add_hours(source, keys, start, end, rng)
    for host in hosts:
        add_hours(know_source(host.id, "interface", "eth0"), LINK, start, end, rng)
    lay_out_weeks(start, end)


def add_runs(
    one: "Assignment", start: datetime, end: datetime, every: int, rng: random.Random
) -> None:
    from apps.tests.models import Result, Run

    runs = list(make_runs(one, start, end, every))
    Run.objects.bulk_create(runs, batch_size=ROWS_AT_ONCE)
    bad_until = start
    results: list[Result] = []
    for run in runs:
        if rng.random() < BAD_SHARE:
            bad_until = run.start_at + timedelta(minutes=rng.randrange(120))
        results.append(make_result(run, is_good=run.start_at >= bad_until))
    Result.objects.bulk_create(results, batch_size=ROWS_AT_ONCE)


def make_runs(one: "Assignment", start: datetime, end: datetime, every: int) -> Iterator["Run"]:
    from apps.tests.models import Run

    for place in range(int((end - start).total_seconds()) // every):
        at = start + timedelta(seconds=place * every)
        yield Run(
            id=uuid.uuid4(),
            assignment=one,
            schedule_revision=1,
            start_at=at,
            end_at=at + timedelta(seconds=10),
            state=Run.State.FINISHED,
        )


def make_result(run: "Run", *, is_good: bool) -> "Result":
    from apps.tests.models import Result

    return Result(
        run=run,
        received_at=run.end_at,
        started_at=run.start_at,
        finished_at=run.end_at,
        outcome=Result.Outcome.COMPLETED,
        is_success=is_good,
        reason="" if is_good else "no reply",
    )


def add_hours(
    source: int, keys: tuple[str, ...], start: datetime, end: datetime, rng: random.Random
) -> None:
    from apps.metrics.models import Latest
    from apps.metrics.services import hash_layout, know_layout
    from apps.metrics.writers import RollupRow, insert_rollups

    layout = know_layout(hash_layout(keys), list(keys)).id
    rows = []
    for hour in range(int((end - start).total_seconds()) // 3600):
        means = [rng.lognormvariate(-4, 0.3) for _key in keys]
        columns = ([4.0] * len(keys), *([means] * 5))
        rows.append(RollupRow(source, 3600, start + timedelta(hours=hour), layout, columns))
    insert_rollups(rows)
    Latest.objects.create(source_id=source, at=end, seq=1, layout_id=layout, values=means)


def lay_out_weeks(start: datetime, end: datetime) -> None:
    """Have the weeks that are over laid out by their keys, as the worker does."""
    from apps.metrics.algorithms.tiers import WEEK_SECONDS, floor_moment
    from apps.metrics.models import Source
    from apps.metrics.services import roll_up
    from apps.metrics.services.strips import outdate_weeks

    sources = list(Source.objects.values_list("id", flat=True))
    at = floor_moment(start, WEEK_SECONDS)
    while at + WEEK <= end:
        outdate_weeks([(source, at) for source in sources], end)
        at += WEEK
    roll_up(now=end + SETTLED, budget_seconds=LAYING_SECONDS)


def measure(end: datetime) -> dict[str, float]:
    from apps.reports.models import ReportPlan
    from apps.reports.services.reports import ask_question, build_document
    from apps.reports.services.reports.document import render_html
    from apps.reports.writers.press import print_html
    from tests.factories.accounts import make_user

    owner = make_user("boss", "admin")
    plan = ReportPlan(name="Month", owner=owner, period="30d", time_zone="Europe/Vienna")
    question = ask_question(plan, user=owner, now=end)
    looks = []
    for _look in range(4):
        began = time.perf_counter()
        document = build_document(plan, question, end)
        looks.append(time.perf_counter() - began)
    began = time.process_time()
    html = render_html(build_document(plan, question, end))
    built = time.process_time() - began
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = print_html(html)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "building, processor s": built,
        "printing, processor s": spent,
        "memory of building, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "memory of printing, MB": after.ru_maxrss / 1024,
        "preview, s (median)": statistics.median(looks),
        "preview, s (least)": min(looks),
        "pages": printed.pages,
        "bytes": len(printed.content),
        "sections": len(document.sections),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--every", type=int, default=900)
    arguments = parser.parse_args()
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        prepare(Path(name), redis_url)
        fill(arguments.clients, arguments.every, end)
        found = measure(end)
    print_table(("what", "measured"), [(what, f"{value:.2f}") for what, value in found.items()])
    seconds = found["building, processor s"] + found["printing, processor s"]
    memory = max(found["memory of building, MB"], found["memory of printing, MB"])
    finish_all(
        Claim(
            "processor time of a 30-day executive PDF, 50 clients, 200 tests",
            round(seconds, 2), "s", GOALS["seconds"], "lower", found,
        ),
        Claim("memory of it", round(memory), "MB", GOALS["megabytes"], "lower"),
        Claim(
            "server time of its preview",
            round(found["preview, s (least)"], 2), "s", GOALS["preview"], "lower",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
