"""Fills a server with a day of frames and a year of rollups, and times reading them in its process.

The weeks of the hours are laid out as the worker does it, which takes some minutes.

Runs inside the server's environment; prints one JSON object.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection

from apps.clients.models import Client
from apps.clients.services import enrol_client, issue_enrolment_token
from apps.core.clock import read_now
from apps.metrics.algorithms.tiers import HOUR_SECONDS, WEEK_SECONDS, floor_day, floor_moment
from apps.metrics.fields import ElementAt
from apps.metrics.models import HourStrip, Latest, Rollup, Source
from apps.metrics.selectors import read_latest, read_many, read_range, read_ranges
from apps.metrics.selectors.columns import (
    ROLLUP_COLUMNS,
    cut_columns,
    find_places,
    group_by_index,
)
from apps.metrics.services import hash_layout, know_layout, know_source, roll_up
from apps.metrics.services.strips import outdate_weeks
from apps.metrics.writers import LAID, FrameRow, ensure_partitions, insert_frames, upsert_latest

CLIENTS = 116
FRAMES = 1440
METRICS = 60
YEAR_CLIENTS = 50
FLEET_KEY = "system.cpu.utilization"
KEYS = (FLEET_KEY, *(f"system.cpu.utilization{{cpu={core}}}" for core in range(1, METRICS)))
POOL_ROWS = 1000
WEEKS = 52
LAYING_SECONDS = 3600

MAKE_POOL = """
CREATE TABLE benchmark_pool AS
SELECT number, %s::float8[] AS count,
       ARRAY[{numbers}]::float8[] AS minimum, ARRAY[{numbers}]::float8[] AS mean,
       ARRAY[{numbers}]::float8[] AS maximum, ARRAY[{numbers}]::float8[] AS p50,
       ARRAY[{numbers}]::float8[] AS p95
FROM generate_series(0, %s) AS number
"""
FILL_ROLLUPS = """
INSERT INTO metrics_rollup
  (source_id, step, at, layout_id, count, minimum, mean, maximum, p50, p95)
SELECT source_id, %s, moment, %s, count, minimum, mean, maximum, p50, p95
FROM unnest(%s::bigint[]) AS sources(source_id)
CROSS JOIN generate_series(%s::timestamptz, %s::timestamptz, make_interval(secs => %s)) AS moment
JOIN benchmark_pool
  ON number = ((extract(epoch FROM moment) / 300)::bigint + source_id * 37) %% %s
"""


def main() -> None:
    now = read_now()
    source_ids = make_sources()
    layout_id = know_layout(hash_layout(KEYS), list(KEYS)).id
    written_seconds = fill_frames(source_ids, layout_id, now)
    fill_rollups(source_ids[:YEAR_CLIENTS], layout_id, floor_day(now))
    began = time.thread_time()
    weeks = lay_out_weeks(source_ids[:YEAR_CLIENTS], now)
    week_seconds = (time.thread_time() - began) / weeks
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    report = {
        "frames_seconds": written_seconds,
        "weeks": weeks,
        "week_milliseconds": week_seconds * 1000,
        "hours_bytes": measure_hours(),
        "bytes_per_sample": measure_bytes() / (CLIENTS * FRAMES * METRICS),
        "client": str(Source.objects.get(id=source_ids[0]).client_id),
        "milliseconds": measure_reads(source_ids, now, int(sys.argv[1])),
    }
    sys.stdout.write(json.dumps(report) + "\n")


def make_sources() -> list[int]:
    _token, secret = issue_enrolment_token(name="history", max_uses=CLIENTS)
    for number in range(CLIENTS):
        enrol_client(
            token_secret=secret,
            name=f"client-{number}",
            agent_version="1",
            inventory={},
            address="127.0.0.1",
        )
    client_ids = Client.objects.order_by("name").values_list("id", flat=True)
    return [know_source(client_id, "host", "") for client_id in client_ids]


def fill_frames(source_ids: Sequence[int], layout_id: int, now: datetime) -> float:
    """Seconds that writing took, upload by upload: an hour of one client each."""
    ensure_partitions(now)
    values = np.random.default_rng(1).lognormal(size=(FRAMES, METRICS)).round(6).tolist()
    began = time.perf_counter()
    for source_id in source_ids:
        for start in range(0, FRAMES, 60):
            rows = [
                FrameRow(
                    source_id=source_id,
                    at=now - timedelta(minutes=FRAMES - number),
                    seq=number,
                    layout_id=layout_id,
                    values=tuple(values[(number + source_id) % FRAMES]),
                    absent=None,
                )
                for number in range(start, start + 60)
            ]
            insert_frames(rows, now)
            upsert_latest(rows[-1:])
    return time.perf_counter() - began


def fill_rollups(source_ids: Sequence[int], layout_id: int, today: datetime) -> None:
    """A year of hours and days for all of them; ninety days of five minutes for the first."""
    numbers = ", ".join(["random()"] * METRICS)
    with connection.cursor() as cursor:
        cursor.execute(MAKE_POOL.format(numbers=numbers), [[60.0] * METRICS, POOL_ROWS - 1])
        for step, days, ids in (
            (300, 90, source_ids[:1]),
            (3600, 365, source_ids),
            (86_400, 365, source_ids),
        ):
            start, last = today - timedelta(days=days), today - timedelta(seconds=step)
            cursor.execute(FILL_ROLLUPS, [step, layout_id, list(ids), start, last, step, POOL_ROWS])


def lay_out_weeks(source_ids: Sequence[int], now: datetime) -> int:
    """How many weeks of sources were laid out: all that have ended."""
    this_week = floor_moment(now, WEEK_SECONDS)
    for weeks in range(1, WEEKS + 1):
        at = this_week - timedelta(weeks=weeks)
        outdate_weeks([(source_id, at) for source_id in source_ids], now)
    # What has ended lately is due in some hours only.
    roll_up(now=now + timedelta(hours=13), budget_seconds=LAYING_SECONDS)
    return HourStrip.objects.filter(key=LAID).count()


def measure_hours() -> dict[str, float]:
    """Bytes of the rollups and of the strips, with their indexes."""
    tables = {"rollups": "metrics_rollup", "strips": "metrics_hourstrip"}
    with connection.cursor() as cursor:
        found = {}
        for name, table in tables.items():
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
            found[name] = float(cursor.fetchone()[0])
    return found


def measure_bytes() -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT SUM(pg_total_relation_size(inhrelid)) FROM pg_inherits"
            " WHERE inhparent = 'metrics_frame'::regclass"
        )
        return float(cursor.fetchone()[0])


def measure_reads(
    source_ids: Sequence[int], now: datetime, rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds of each reading: `median` and `least` from the call to the numbers in Python.

    `database` is what the statements took of it (median), `processor` what this process did.
    """
    first, key = source_ids[0], KEYS[7]
    client_ids = list(Source.objects.filter(id__in=source_ids).values_list("client_id", flat=True))
    newest = Latest.objects.filter(source_id__in=source_ids).annotate(number=ElementAt("values", 7))

    def read_days(days: int, points: int) -> Callable[[], object]:
        start = now - timedelta(days=days)
        return lambda: read_range(source_id=first, key=key, start=start, end=now, points=points)

    readings: dict[str, Callable[[], object]] = {
        "24 h of one metric, every value": read_days(1, 2000),
        "last value of every client, one metric": lambda: list(
            newest.values_list("source_id", "at", "number")
        ),
        "last values of every client, all metrics": lambda: read_latest(client_ids, kinds=["host"]),
        "90 days of one metric, by day": read_days(90, 100),
        "90 days of one metric, by 2 hours": read_days(90, 2000),
        "a year of one metric, by 6 hours": read_days(365, 2000),
        "a year of one metric of 50 clients, by day": lambda: read_ranges(
            source_ids=source_ids[:YEAR_CLIENTS],
            key=key,
            start=now - timedelta(days=365),
            end=now,
            points=500,
        ),
    }
    readings |= {
        "a year of one metric of 50 clients, every hour": lambda: read_many(
            source_ids=source_ids[:YEAR_CLIENTS],
            key=FLEET_KEY,
            start=now - timedelta(days=365),
            end=now,
        ),
        "the same from the hourly rows": lambda: read_rows(source_ids[:YEAR_CLIENTS], now),
    }
    return {name: measure(read, rounds) for name, read in readings.items()}


def read_rows(source_ids: Sequence[int], now: datetime) -> object:
    """As every hour would be read if no week were laid out."""
    rows = Rollup.objects.filter(
        step=HOUR_SECONDS, at__gte=now - timedelta(days=365), source_id__in=source_ids
    )
    groups = group_by_index(find_places(source_ids, FLEET_KEY), source_ids)
    return cut_columns(rows.order_by("source_id", "at"), groups, FLEET_KEY, ROLLUP_COLUMNS)


def measure(read: Callable[[], object], rounds: int) -> dict[str, float]:
    read()
    whole, processor, database = [], [], []
    for _round in range(rounds):
        stopwatch = Stopwatch()
        began, began_processor = time.perf_counter(), time.thread_time()
        with connection.execute_wrapper(stopwatch):
            read()
        whole.append(time.perf_counter() - began)
        processor.append(time.thread_time() - began_processor)
        database.append(stopwatch.seconds)
    seconds = {
        "median": statistics.median(whole),
        "least": min(whole),
        "database": statistics.median(database),
        "processor": statistics.median(processor),
    }
    return {name: 1000 * value for name, value in seconds.items()}


@dataclass(slots=True)
class Stopwatch:
    """How long the statements took that went through it, with their results on the way."""

    seconds: float = 0.0

    def __call__(
        self, execute: Callable[..., Any], sql: str, parameters: Any, many: Any, context: Any
    ) -> Any:  # Django's signature
        began = time.perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            self.seconds += time.perf_counter() - began
