import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.clock import read_now
from apps.operations.figures import Figures, read_figures

MEGA = 1e6


class Command(BaseCommand):
    help = (
        "What is stored and what goes on: rows and sizes, clients, tests and runs, what agents "
        "deliver, and what waits in the queues."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        figures = read_figures(read_now())
        if options["json"]:
            self.stdout.write(json.dumps(asdict(figures), indent=1, default=str))
            return
        for line in write_figures(figures):
            self.stdout.write(line)


def write_figures(figures: Figures) -> Iterator[str]:
    yield f"{'database':<20} {figures.database_bytes / MEGA:>12.1f} MB"
    for tier in figures.tiers:
        growth = ""
        if tier.bytes_per_day is not None:
            growth = f"  {tier.bytes_per_day / MEGA:+.1f} MB a day"
        yield f"  {tier.name:<18} {tier.bytes / MEGA:>12.1f} MB  {tier.rows:>12} rows{growth}"
    yield write_counts("clients", figures.clients)
    yield f"{'tests':<20} {figures.tests:>12}, given to clients {figures.assignments} times"
    yield write_counts("runs of last hour", figures.runs_of_last_hour)
    yield (
        f"{'records':<20} {figures.stored_per_second:>12.1f} stored a second, "
        f"{figures.rejected_per_second:.1f} rejected (last 5 minutes)"
    )
    queues = write_counts("queues", figures.queues)
    yield queues if figures.queues else f"{'queues':<20} {'-':>12}  Redis does not answer"
    yield f"{write_counts('jobs', figures.jobs)}, {figures.overdue_jobs} overdue"


def write_counts(name: str, counts: Mapping[str, int]) -> str:
    parts = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{name:<20} {sum(counts.values()):>12}  {parts}".rstrip()
