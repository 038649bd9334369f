"""Reading history: 10 million values of one day and a year of rollups, on PostgreSQL.

116 clients x 1,440 frames x 60 metrics, written by the writers of uploads; hourly and daily rollups
of a year for 50 clients. For each reading: what its statements take, what the reading process
computes, all from the call of the selector to the numbers in Python; and through the HTTP API from
request to last byte. Medians, and the least, which other work on the machine has disturbed least.

    python -m benchmarks.history [--rounds 9]
"""

import argparse
import json
import re
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.flows.api_user import become_admin, sign_in
from tests.servers.postgresql import start_cluster
from tests.servers.stack import Stack, run_stack

FILL = "import django; django.setup(); from benchmarks.measuring.history import main; main()"
METRIC = "system.cpu.utilization{cpu=7}"
GOALS_MILLISECONDS = {
    "24 h of one metric, every value": 10,
    "last value of every client, one metric": 5,
    "90 days of one metric, by 2 hours": 30,
    "a year of one metric of 50 clients, by day": 300,
    "a year of one metric of 50 clients, every hour": 300,
}
WHOLE = frozenset(name for name in GOALS_MILLISECONDS if "50 clients" in name)
API_GOAL_MILLISECONDS = 60
PAGE_GOAL_MILLISECONDS = 300
PAGE = "/fleet/?range=1y&key=system.cpu.utilization"
API_RANGES = {
    "API: 24 h, every value": (1, 2000),
    "API: 90 days, by 2 hours": (90, 2000),
    "API: a year, by day": (365, 500),
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page and all it asks for: one request, whose chart stands in the page itself."""

    milliseconds: list[float]
    source: str


def measure_http(stack: Stack, client_id: str, rounds: int) -> tuple[dict[str, float], Page]:
    become_admin(stack)
    cookies = {"Cookie": sign_in(stack.base_url)}
    with httpx.Client(base_url=stack.base_url, headers=cookies, trust_env=False) as http:
        by_api = {
            name: measure_series(http, client_id, days, points, rounds)
            for name, (days, points) in API_RANGES.items()
        }
        text = http.get(PAGE).raise_for_status().text
        source = re.search(r'id="fleet-source">([^<]+)<', text)
        seconds = time_requests(http, PAGE, {}, rounds)
        return by_api, Page([1000 * each for each in seconds], source[1] if source else "")


def measure_series(
    http: httpx.Client, client_id: str, days: int, points: int, rounds: int
) -> float:
    query = {
        "client": client_id,
        "metric": METRIC,
        "start": (datetime.now(UTC) - timedelta(days=days)).isoformat(),
        "points": str(points),
    }
    return statistics.median(time_requests(http, "/api/v1/series/", query, rounds)) * 1000


def time_requests(http: httpx.Client, path: str, query: dict[str, str], rounds: int) -> list[float]:
    """Seconds from request to last byte; the first, which warms up, is left out."""
    seconds = []
    for _round in range(rounds + 1):
        began = time.perf_counter()
        answer = http.get(path, params=query or None)
        answer.raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def run(rounds: int) -> tuple[dict[str, Any], dict[str, float], Page]:
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_worker=False, with_beat=False
        ) as stack:
            output = stack.run_python("-c", FILL, str(rounds))
            report = json.loads(output.strip().splitlines()[-1])
            return report, *measure_http(stack, report["client"], rounds)
    finally:
        cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Milliseconds to read history.")
    parser.add_argument("--rounds", type=int, default=9)
    report, by_api, page = run(parser.parse_args().rounds)
    found = report["milliseconds"]
    columns = ("database", "processor", "median", "least")
    rows: list[tuple[object, ...]] = [
        (
            name,
            *(f"{milliseconds[column]:.1f}" for column in columns),
            GOALS_MILLISECONDS.get(name, ""),
        )
        for name, milliseconds in found.items()
    ]
    rows += [
        (name, "", "", f"{milliseconds:.1f}", "", API_GOAL_MILLISECONDS)
        for name, milliseconds in by_api.items()
    ]
    median, least = statistics.median(page.milliseconds), min(page.milliseconds)
    rows.append(
        ("fleet page, a year", "", "", f"{median:.1f}", f"{least:.1f}", PAGE_GOAL_MILLISECONDS)
    )
    print(f"10 million values written in {report['frames_seconds']:.0f} s")
    print(f"{report['bytes_per_sample']:.2f} B a value on disk")
    print(f"{report['weeks']} weeks laid out, {report['week_milliseconds']:.0f} ms of CPU each;")
    print(f"the page: {page.source}")
    print_table(("reading", "database ms", "own CPU ms", "median ms", "least ms", "goal ms"), rows)
    claims = [make_claim(name, found[name], goal) for name, goal in GOALS_MILLISECONDS.items()]
    slowest = max(by_api, key=lambda name: by_api[name])
    finish_all(
        *claims,
        Claim(
            claim="a chart page of a year of 50 clients, every hour read, with all it asks for",
            value=round(median, 1),
            unit="ms",
            goal=PAGE_GOAL_MILLISECONDS,
            better="lower",
            beside={
                "least": round(least, 1),
                "rollup_bytes": report["hours_bytes"]["rollups"],
                "strip_bytes": report["hours_bytes"]["strips"],
                "from_rows": round(found["the same from the hourly rows"]["median"], 1),
            },
        ),
        Claim(
            claim="reading a series through the API, the slowest",
            value=round(by_api[slowest], 1),
            unit="ms",
            goal=API_GOAL_MILLISECONDS,
            better="lower",
            beside={
                "bytes_per_value": round(report["bytes_per_sample"], 2),
                **{name: round(milliseconds, 1) for name, milliseconds in by_api.items()},
            },
        ),
    )


def make_claim(name: str, milliseconds: dict[str, float], goal: float) -> Claim:
    """What the goals speak of is the database; for many clients, all of the server's time."""
    is_whole = name in WHOLE
    rounded = {column: round(number, 1) for column, number in milliseconds.items()}
    return Claim(
        claim=f"reading {name}" + ("" if is_whole else ", in the database"),
        value=rounded["median" if is_whole else "database"],
        unit="ms",
        goal=goal,
        better="lower",
        beside=rounded,
    )


if __name__ == "__main__":
    main()
