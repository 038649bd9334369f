"""Judging the series of many clients as their five minutes close, on PostgreSQL.

Each client has 10 sources with 19 series of two weeks. An hour of five minutes is judged, one
after the other; the last of them stores the states as well. Processor time is that of the worker.

    python -m benchmarks.series_judging [--clients 100]
"""

import argparse
import json
from typing import Any

from benchmarks.measuring.report import Claim, finish, print_table
from tests.servers.postgresql import start_cluster
from tests.servers.stack import run_stack

FILL = "import django; django.setup(); from benchmarks.measuring.judging import main; main()"
SECONDS_BETWEEN = 300
FLEET_SERIES = 20_000
GOAL_PERCENT = 10.0


def run(clients: int) -> dict[str, Any]:
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_worker=False, with_beat=False
        ) as stack:
            output = stack.run_python("-c", FILL, str(clients))
    finally:
        cluster.stop()
    report: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="What judging the series of clients costs.")
    parser.add_argument("--clients", type=int, default=100)
    report = run(parser.parse_args().clients)
    own, whole = report["own_seconds"], report["whole_seconds"]
    series = report["series"]
    rows = [
        (5 * number, f"{1000 * mine / series:.2f}", f"{1000 * all_of_it / series:.2f}")
        for number, (mine, all_of_it) in enumerate(zip(own, whole, strict=True), 1)
    ]
    print(f"{series} series, {report['findings']} findings in an hour")
    print(f"{report['state_bytes'] / 1000:.1f} kB on disk a series")
    print_table(("minute", "own CPU ms a series", "all ms a series"), rows)
    mean = sum(own) / len(own) / series
    finish(
        Claim(
            claim="share of one processor to judge 20,000 series every five minutes",
            value=round(100 * mean * FLEET_SERIES / SECONDS_BETWEEN, 1),
            unit="%",
            goal=GOAL_PERCENT,
            better="lower",
            beside={
                "ms_a_series": round(1000 * mean, 2),
                "greatest_ms_a_series": round(1000 * max(own) / series, 2),
                "kilobytes_a_series": round(report["state_bytes"] / 1000, 1),
            },
        )
    )


if __name__ == "__main__":
    main()
