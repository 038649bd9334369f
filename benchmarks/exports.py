"""Exports: rows a second of one core, and memory by the length of the export, on both databases.

Measured values (50 a frame) and results (24 columns, four of them documents) are written by the
writers of uploads and exported by the pieces that downloads and files are made of, to nowhere.
Each line is a process of its own: `own` is the time of that process alone, without the database's;
on SQLite the database is part of it. `peak` is the most memory that the process held meanwhile
(RSS): the goal is for all of it. `mapped` is what of it is pages of SQLite's file, `own MB` what is
of no file at all.

    python -m benchmarks.exports [--rows 1000000] [--database both]
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.servers.postgresql import start_cluster
from tests.servers.stack import Stack, run_stack

STEP = "import django; django.setup(); from benchmarks.measuring.exports import main; main()"
GOAL_ROWS_PER_SECOND = 100_000
GOAL_MEGABYTES = 200
SMALLEST_ROWS = 10_000
MOST_RESULTS = 200_000
FORMATS = ("csv", "ndjson", "json")
DATABASES = ("postgresql", "sqlite")


def measure(stack: Stack, *arguments: object) -> dict[str, Any]:
    output = stack.run_python("-c", STEP, *map(str, arguments))
    report: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return report


def list_lengths(row_count: int) -> list[int]:
    """10 thousand and each ten times as much, up to all."""
    lengths = []
    length = SMALLEST_ROWS
    while length < row_count:
        lengths.append(length)
        length *= 10
    return [*lengths, row_count]


def measure_all(stack: Stack, row_count: int) -> Iterator[dict[str, Any]]:
    results = min(row_count, MOST_RESULTS)
    measure(stack, "fill", row_count, results)
    for length in list_lengths(row_count):
        yield measure(stack, "samples", "csv", length)
    for name in ("results", "runs"):
        yield measure(stack, name, "csv", results)
    for format_name in FORMATS[1:]:
        yield measure(stack, "samples", format_name, min(row_count, 1_000_000))


def run(database: str, row_count: int) -> list[dict[str, Any]]:
    cluster = start_cluster() if database == "postgresql" else None
    try:
        with run_stack(
            "postgresql" if cluster else "sqlite",
            postgresql=cluster,
            with_web=False,
            with_worker=False,
            with_beat=False,
        ) as stack:
            return [{**one, "database": database} for one in measure_all(stack, row_count)]
    finally:
        if cluster is not None:
            cluster.stop()


def describe(one: dict[str, Any]) -> tuple[object, ...]:
    return (
        one["database"],
        f"{one['dataset']}.{one['format']}",
        f"{one['rows']:,}",
        f"{one['bytes'] / 1e6:.0f}",
        f"{one['rows'] / one['own_seconds']:,.0f}",
        f"{one['rows'] / one['wall_seconds']:,.0f}",
        f"{one['own_megabytes']:.0f}",
        f"{one['mapped_megabytes']:.0f}",
        f"{one['peak_megabytes']:.0f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows a second, and memory, of exports.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", choices=[*DATABASES, "both"], default="both")
    options = parser.parse_args()
    chosen = DATABASES if options.database == "both" else (options.database,)
    found = [one for database in chosen for one in run(database, options.rows)]
    columns = (
        "database",
        "export",
        "rows",
        "MB",
        "rows/s of own CPU",
        "rows/s in all",
        "own MB",
        "mapped MB",
        "peak MB",
    )
    print_table(columns, [describe(one) for one in found])
    files = [one for one in found if one["format"] == "csv" and one["rows"] > SMALLEST_ROWS]
    slowest = min(files, key=lambda one: one["rows"] / one["own_seconds"])
    largest = max(found, key=lambda one: float(one["peak_megabytes"]))
    finish_all(
        Claim(
            claim="CSV rows a second of one core, the slowest dataset",
            value=round(slowest["rows"] / slowest["own_seconds"]),
            unit="rows/s",
            goal=GOAL_ROWS_PER_SECOND,
            better="higher",
            beside={
                f"{one['database']} {one['dataset']}": round(one["rows"] / one["own_seconds"])
                for one in files
            },
        ),
        Claim(
            claim="memory of the process that exports, the most",
            value=round(largest["peak_megabytes"]),
            unit="MB",
            goal=GOAL_MEGABYTES,
            better="lower",
            beside={
                f"{one['database']} {one['dataset']} {one['rows']}": round(one["peak_megabytes"])
                for one in files
            },
        ),
    )


if __name__ == "__main__":
    main()
