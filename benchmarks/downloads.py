"""Downloads as their callers see them: memory of the web process while an export is taken.

A real web server hands out measured values: to a caller who takes all of it, in both formats that
are streamed by the line, and to four at a time who take the first piece and then no more. `before`
is what the process holds after a small download, `most` the most that it held until the end
(VmHWM), all of it.

    python -m benchmarks.downloads [--rows 1000000] [--stalled-seconds 15]
"""

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.exports import DATABASES, measure
from benchmarks.measuring.report import Claim, finish, print_table
from tests.flows.api_user import become_admin
from tests.servers.postgresql import start_cluster
from tests.servers.stack import Stack, run_stack

GOAL_MEGABYTES = 50
STALLED = 4
FORMATS = ("ndjson", "csv")
BYTES_PER_KILOBYTE = 1024
PATIENCE_SECONDS = 600.0
Row = tuple[str, str, int, float, float, float, float]


def read_megabytes(process_id: int, name: str) -> float:
    """VmRSS, what the process holds, or VmHWM, the most that it has held."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return kilobytes * BYTES_PER_KILOBYTE / 1e6


def forget_peak(process_id: int) -> None:
    Path(f"/proc/{process_id}/clear_refs").write_text("5")


def take_all(http: httpx.Client, path: str) -> int:
    """How many bytes the download has."""
    with http.stream("GET", path, headers={"Accept-Encoding": "identity"}) as answer:
        answer.raise_for_status()
        return sum(map(len, answer.iter_raw()))


def stall(http: httpx.Client, path: str, count: int, seconds: float) -> int:
    """So many callers who take one piece and no more for a time; the bytes they took."""
    taken = 0
    with ExitStack() as open_ones:
        for _caller in range(count):
            answer = open_ones.enter_context(
                http.stream("GET", path, headers={"Accept-Encoding": "identity"})
            )
            answer.raise_for_status()
            taken += len(next(answer.iter_raw()))
        threading.Event().wait(seconds)
    return taken


def measure_downloads(stack: Stack, database: str, stalled_seconds: float) -> Iterator[Row]:
    token = become_admin(stack).token
    web = stack.children["web"].process_id
    with httpx.Client(
        base_url=stack.base_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    ) as http:
        take_all(http, "/api/v1/exports/clients.csv")
        for name in FORMATS:
            path = f"/api/v1/exports/samples.{name}"
            for what, callers in (("taken", 1), ("stalled", STALLED)):
                forget_peak(web)
                before, began = read_megabytes(web, "VmRSS"), time.perf_counter()
                if what == "taken":
                    size_bytes = take_all(http, path)
                else:
                    size_bytes = stall(http, path, callers, stalled_seconds)
                seconds = time.perf_counter() - began
                most = read_megabytes(web, "VmHWM")
                yield database, f"{name}, {what}", callers, size_bytes / 1e6, seconds, before, most


def run(database: str, row_count: int, stalled_seconds: float) -> list[Row]:
    cluster = start_cluster() if database == "postgresql" else None
    try:
        with run_stack(
            "postgresql" if cluster else "sqlite",
            postgresql=cluster,
            with_worker=False,
            with_beat=False,
        ) as stack:
            measure(stack, "fill", row_count, 0)
            return list(measure_downloads(stack, database, stalled_seconds))
    finally:
        if cluster is not None:
            cluster.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory of the web process by downloads.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--stalled-seconds", type=float, default=15.0)
    options = parser.parse_args()
    found = [row for name in DATABASES for row in run(name, options.rows, options.stalled_seconds)]
    columns = ("database", "download", "callers", "MB", "seconds", "before MB", "most MB", "more")
    print_table(
        columns,
        [
            (*row[:3], *(f"{value:.1f}" for value in row[3:]), f"{row[6] - row[5]:.1f}")
            for row in found
        ],
    )
    finish(
        Claim(
            claim="memory that downloads take from the web process, the most",
            value=round(max(row[6] - row[5] for row in found), 1),
            unit="MB",
            goal=GOAL_MEGABYTES,
            better="lower",
            beside={f"{row[0]} {row[1]}": round(row[6] - row[5], 1) for row in found},
        )
    )


if __name__ == "__main__":
    main()
