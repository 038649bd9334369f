"""Reading history: 10 million values of one day and a year of rollups, on PostgreSQL.

116 clients x 1,440 frames x 60 metrics, written by the writers of uploads; hourly and daily rollups
of a year for 50 clients. For each reading: what its statements take, what the reading process
computes, all from the call of the selector to the numbers in Python; and through the HTTP API from
request to last byte. Medians, and the least, which other work on the machine has disturbed least.

    python -m benchmarks.history [--rounds 9]
"""

import argparse
import json
import statistics
import time
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
}
WHOLE = frozenset({"a year of one metric of 50 clients, by day"})
API_GOAL_MILLISECONDS = 60
API_RANGES = {
    "API: 24 h, every value": (1, 2000),
    "API: 90 days, by 2 hours": (90, 2000),
    "API: a year, by day": (365, 500),
}


def measure_api(stack: Stack, client_id: str, rounds: int) -> dict[str, float]:
    become_admin(stack)
    cookies = {"Cookie": sign_in(stack.base_url)}
    with httpx.Client(base_url=stack.base_url, headers=cookies, trust_env=False) as http:
        return {
            name: measure_request(http, client_id, days, points, rounds)
            for name, (days, points) in API_RANGES.items()
        }


def measure_request(
    http: httpx.Client, client_id: str, days: int, points: int, rounds: int
) -> float:
    query = {
        "client": client_id,
        "metric": METRIC,
        "start": (datetime.now(UTC) - timedelta(days=days)).isoformat(),
        "points": str(points),
    }
    seconds = []
    for _round in range(rounds + 1):
        began = time.perf_counter()
        answer = http.get("/api/v1/series/", params=query)
        answer.raise_for_status()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:]) * 1000


def run(rounds: int) -> tuple[dict[str, Any], dict[str, float]]:
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_worker=False, with_beat=False
        ) as stack:
            output = stack.run_python("-c", FILL, str(rounds))
            report = json.loads(output.strip().splitlines()[-1])
            return report, measure_api(stack, report["client"], rounds)
    finally:
        cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Milliseconds to read history.")
    parser.add_argument("--rounds", type=int, default=9)
    report, by_api = run(parser.parse_args().rounds)
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
    print(f"10 million values written in {report['frames_seconds']:.0f} s")
    print(f"{report['bytes_per_sample']:.2f} B a value on disk")
    print_table(("reading", "database ms", "own CPU ms", "median ms", "least ms", "goal ms"), rows)
    claims = [make_claim(name, found[name], goal) for name, goal in GOALS_MILLISECONDS.items()]
    slowest = max(by_api, key=lambda name: by_api[name])
    finish_all(
        *claims,
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
