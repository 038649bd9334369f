"""What an executive report of 30 days, 50 clients and 200 tests costs, and its live preview.

Each client runs four tests every 15 minutes, as it did in the 30 days before, which are compared;
the hours of the metrics and the tallies of the days are kept as the worker keeps them. Measured in
processes that did nothing else: processor seconds of building (reading the database included on
SQLite, whose work is done in the process) and of printing, the greatest memory of both, the time
that the preview takes the server, and what all of it takes as long as no day is kept.

    python -m benchmarks.reports [--clients 50] [--every 900]
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
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
HTML_NAME = "report.html"
# As in apps/reports/writers/press.py, which needs Django.
MEMORY_BYTES, CPU_SECONDS = 1_200 * 2**20, 120


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


def measure_building(folder: Path, end: datetime) -> dict[str, float]:
    from apps.reports.models import ReportPlan
    from apps.reports.services.reports import ask_question, build_document
    from apps.reports.services.reports.document import render_html
    from tests.factories.accounts import make_user

    owner = make_user(f"boss-{uuid.uuid4()}", "admin")
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
    (folder / HTML_NAME).write_text(html)
    return {
        "building, processor s": built,
        "memory of building, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "preview, s (median)": statistics.median(looks),
        "preview, s (least)": min(looks),
        "sections": len(document.sections),
    }


def measure_keeping(end: datetime) -> dict[str, float]:
    """What the tallies of all days cost the worker."""
    from apps.reports.services.tallies import keep_tallies

    began = time.process_time()
    days = keep_tallies(now=end, budget_seconds=LAYING_SECONDS)
    return {"keeping a day, processor s": (time.process_time() - began) / days}


def measure_printing(folder: Path) -> dict[str, float]:
    """In a process that is small itself: a program's memory counts from what started it."""
    command = [sys.executable, "-m", "apps.reports.printing", str(MEMORY_BYTES), str(CPU_SECONDS)]
    html = (folder / HTML_NAME).read_bytes()
    done = subprocess.run(command, input=html, capture_output=True, check=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    head, _line, content = done.stdout.partition(b"\n")
    return {
        "printing, processor s": spent.ru_utime + spent.ru_stime,
        "memory of printing, MB": spent.ru_maxrss / 1024,
        "pages": json.loads(head)["pages"],
        "bytes": len(content),
    }


def run_stage(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One part of the benchmark, in a process of its own."""
    end = datetime.fromisoformat(arguments.end)
    if arguments.stage == "print":
        return measure_printing(folder)
    prepare(folder, arguments.redis)
    if arguments.stage == "build":
        return measure_building(folder, end)
    if arguments.stage == "keep":
        return measure_keeping(end)
    fill(arguments.clients, arguments.every, end)
    return {}


def ask_stage(stage: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.reports", "--stage", stage]
    for name in ("clients", "every", "folder", "redis", "end"):
        command += [f"--{name}", str(getattr(arguments, name))]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--every", type=int, default=900)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Of the parts, which run in processes of their own.
    parser.add_argument("--stage", choices=("fill", "keep", "build", "print"), default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--redis", default="")
    parser.add_argument("--end", default=now.isoformat())
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.stage:
        found = run_stage(arguments, Path(arguments.folder))
        sys.stdout.write(json.dumps(found) + "\n")
        return
    with tempfile.TemporaryDirectory() as name, run_redis(Path(name)) as redis_url:
        arguments.folder, arguments.redis = name, redis_url
        ask_stage("fill", arguments)
        fresh = ask_stage("build", arguments)
        found = ask_stage("keep", arguments) | ask_stage("build", arguments)
        found |= ask_stage("print", arguments)
    found["building before any day was kept, processor s"] = fresh["building, processor s"]
    report(found)


def report(found: dict[str, float]) -> None:
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
