"""What an export costs, measured inside a server's environment by `benchmarks.exports`."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from apps.accounts.models import User
from apps.accounts.selectors import list_administrators
from apps.accounts.services import Grant, create_user
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.metrics.models import Source
from apps.metrics.services import NewFrame, hash_layout, know_layout, record_frames
from apps.metrics.writers import ensure_partitions
from apps.reports.datasets import find_dataset
from apps.reports.services.exports.orders import read_order
from apps.reports.services.exports.pieces import Pieces
from apps.tests.models import Assignment, Result, Run
from apps.tests.services import TestDefinition, create_test

METRICS = [f"system.cpu.utilization{{cpu={number}}}" for number in range(50)]
FRAMES_PER_CLIENT = 2_000
FRAMES_AT_ONCE = 500
RUNS_AT_ONCE = 1_000
BYTES_PER_KILOBYTE = 1024


def fill_samples(row_count: int) -> None:
    """Frames of 50 values each, until there are so many values."""
    end = datetime.now(UTC).replace(microsecond=0)
    ensure_partitions(end)
    known = know_layout(hash_layout(METRICS), METRICS)
    missing = row_count // len(METRICS)
    while missing > 0:
        count = min(missing, FRAMES_PER_CLIENT)
        client = Client.objects.create(name=f"probe-{uuid4()}", enrolled_at=end)
        source = Source.objects.create(client=client, kind="host")
        for first in range(0, count, FRAMES_AT_ONCE):
            numbers = range(first, min(first + FRAMES_AT_ONCE, count))
            frames = [
                NewFrame(
                    source_id=source.id,
                    source_kind="host",
                    source_subject="",
                    at=end - timedelta(seconds=count - number),
                    seq=number,
                    layout=known,
                    values=tuple((number * 7919 + place) % 1000 / 997 for place in range(50)),
                    absent=None,
                )
                for number in numbers
            ]
            record_frames(client_id=client.id, frames=frames, received_at=end)
        missing -= count


def fill_runs(row_count: int) -> None:
    """Runs of one assignment with results of eight figures."""
    now = read_now()
    client = Client.objects.create(name=f"runner-{uuid4()}", enrolled_at=now)
    definition = TestDefinition(
        name=f"Gateway {uuid4()}",
        kind="ping",
        target="192.0.2.1",
        duration_seconds=10,
        sample_interval_seconds=1,
        every_seconds=86_400,
    )
    assignment = Assignment.objects.get(test=create_test(definition, clients=[client]))
    values = {f"net.rtt.p{number}": number / 997 for number in range(8)}
    for first in range(0, row_count, RUNS_AT_ONCE):
        runs = [
            Run(
                id=uuid4(), assignment=assignment, slot=number, schedule_revision=1,
                start_at=now - timedelta(seconds=row_count - number), end_at=now, state="finished",
                started_at=now, finished_at=now,
            )
            for number in range(first, min(first + RUNS_AT_ONCE, row_count))
        ]  # fmt: skip
        Run.objects.bulk_create(runs)
        Result.objects.bulk_create(
            Result(
                run=run, received_at=run.start_at, started_at=run.start_at,
                finished_at=run.start_at, outcome="completed", is_success=True, values=values,
            )
            for run in runs
        )  # fmt: skip


def find_user() -> User:
    found = list_administrators().first()
    return found or create_user(username="exporter", grants=[Grant("admin")])


def read_memory_kilobytes(name: str) -> int:
    """VmHWM, the most that the process has held, or RssAnon, what it holds now of its own.

    What SQLite maps of its file counts in the first alone.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measure_mapped_kilobytes() -> int:
    """What of the memory held now is pages of SQLite's file."""
    name = str(settings.DATABASES["default"]["NAME"])
    is_of_file, kilobytes = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            is_of_file = bool(rest) and rest[-1] == name
        elif is_of_file and first == "Rss:":
            kilobytes += int(rest[0])
    return kilobytes


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def limit_rows(pieces: Pieces, row_count: int) -> Iterator[bytes]:
    for piece in pieces.write():
        yield piece
        if pieces.row_count >= row_count:
            return


def export(dataset: str, format_name: str, row_count: int) -> dict[str, Any]:
    """Write about so many rows to nowhere; the first few pieces warm up what is remembered."""
    user = find_user()
    order = read_order(dataset=dataset, format_name=format_name, filters={})
    pieces = Pieces(find_dataset(dataset).select(user, {}), order)
    forget_peak()
    wall, own = time.perf_counter(), time.process_time()
    size_bytes = own_kilobytes = 0
    with Path("/dev/null").open("wb") as sink:
        for piece in limit_rows(pieces, row_count):
            size_bytes += sink.write(piece)
            own_kilobytes = max(own_kilobytes, read_memory_kilobytes("RssAnon"))
        size_bytes += sink.write(pieces.end())
    peak_kilobytes, mapped_kilobytes = read_memory_kilobytes("VmHWM"), measure_mapped_kilobytes()
    return {
        "dataset": dataset,
        "format": format_name,
        "rows": pieces.row_count,
        "bytes": size_bytes,
        "wall_seconds": time.perf_counter() - wall,
        "own_seconds": time.process_time() - own,
        "own_megabytes": own_kilobytes * BYTES_PER_KILOBYTE / 1e6,
        "mapped_megabytes": mapped_kilobytes * BYTES_PER_KILOBYTE / 1e6,
        "peak_megabytes": peak_kilobytes * BYTES_PER_KILOBYTE / 1e6,
    }


def main() -> None:
    if sys.argv[1] == "fill":
        samples, runs = map(int, sys.argv[2:])
        fill_samples(samples)
        fill_runs(runs)
        print(json.dumps({"samples": samples, "runs": runs}))
        return
    dataset, format_name, row_count = sys.argv[1:]
    print(json.dumps(export(dataset, format_name, int(row_count))))
