"""First byte of the pages people open most, with a thousand clients that run twenty tests each.

A signed-in session asks the real web server again and again, one page at a time, on SQLite and on
PostgreSQL. Beside it stands /healthz, which reads no rows: what an answer costs anyway.

    python -m benchmarks.pages [--clients 1000] [--tests 20] [--rounds 20]
"""

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from benchmarks.measuring.population import fill
from benchmarks.measuring.report import Claim, finish, print_table
from tests.flows.api_user import become_admin, sign_in
from tests.servers.postgresql import start_cluster
from tests.servers.stack import Stack, run_stack

GOAL_SECONDS = 0.2
PAGES = {
    "alive (reads no rows)": "/healthz",
    "overview": "/",
    "clients": "/clients/",
    "clients, 200 a page": "/clients/?size=200",
    "tests": "/tests/",
    "runs": "/runs/",
    "REST clients": "/api/v1/clients/",
}
JUDGED = ("overview", "clients", "tests")


@contextmanager
def run_server(database: str) -> Iterator[Stack]:
    if database == "sqlite":
        with run_stack("sqlite", with_beat=False, with_worker=False) as stack:
            yield stack
        return
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_beat=False, with_worker=False
        ) as stack:
            yield stack
    finally:
        cluster.stop()


def measure_page(http: httpx.Client, path: str, rounds: int) -> tuple[list[float], int]:
    """Seconds to the first byte of each round, and the page's size on the wire in bytes."""
    seconds, size = [], 0
    for _round in range(rounds):
        began = time.perf_counter()
        with http.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            answer.raise_for_status()
            body = answer.iter_raw()
            first = next(body)
            seconds.append(time.perf_counter() - began)
            size = len(first) + sum(map(len, body))
    return seconds, size


def measure(database: str, arguments: argparse.Namespace) -> dict[str, tuple[list[float], int]]:
    with run_server(database) as stack:
        print(f"{database}: {fill(stack, clients=arguments.clients, tests=arguments.tests)}")
        become_admin(stack)
        cookies = {"Cookie": sign_in(stack.base_url)}
        with httpx.Client(base_url=stack.base_url, headers=cookies, trust_env=False) as http:
            for path in PAGES.values():
                measure_page(http, path, 2)
            return {
                name: measure_page(http, path, arguments.rounds) for name, path in PAGES.items()
            }


def main() -> None:
    parser = argparse.ArgumentParser(description="First byte of pages with many clients.")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    arguments = parser.parse_args()
    both = ("sqlite", "postgresql")
    databases = both if arguments.database == "both" else (arguments.database,)
    rows, worst_seconds = [], 0.0
    for database in databases:
        for name, (seconds, size) in measure(database, arguments).items():
            median, slowest = statistics.median(seconds), max(seconds)
            milliseconds = (f"{median * 1000:.0f}", f"{slowest * 1000:.0f}")
            rows.append((database, name, *milliseconds, f"{size / 1e3:.0f}"))
            if name in JUDGED:
                worst_seconds = max(worst_seconds, median)
    print_table(("database", "page", "median ms", "slowest ms", "kB sent"), rows)
    finish(
        Claim(
            claim=f"median first byte of the slowest page with {arguments.clients} clients",
            value=round(worst_seconds, 4),
            unit="s",
            goal=GOAL_SECONDS,
            better="lower",
            beside={re.sub(r"\W+", "_", f"{row[0]} {row[1]} ms"): float(row[2]) for row in rows},
        )
    )


if __name__ == "__main__":
    main()
