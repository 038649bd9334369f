"""Runs beside a database: hosts with learnt series, then an hour of five minutes judged."""

import json
import sys
import time
from datetime import datetime

import numpy as np
from django.db import connection

from apps.core.clock import read_now
from apps.metrics.models import Latest, Layout, Rollup, Source
from apps.metrics.selectors import FIVE_MINUTES
from apps.ml.algorithms.series import SeriesDetector, write_state
from apps.ml.models import Finding, SeriesState, SeriesWatch
from apps.ml.selectors.series import SETTLED_AFTER, WATCHED_KEYS
from apps.ml.services.series import floor_five_minutes, judge_series
from tests.factories.clients import make_client

SUBJECTS = {"host": 1, "interface": 2, "disk": 3, "filesystem": 4}
LEARNT_VALUES = 4032
ROUNDS = 12
LAYOUT_COLUMNS = ("count", "minimum", "mean", "maximum", "p50", "p95")
GENERATOR = np.random.default_rng(1)


def make_sources(clients: int) -> list[Source]:
    sources = []
    for number in range(clients):
        client = make_client(f"host-{number}")
        sources += [
            Source(client=client, kind=kind, subject=f"{kind}{place}" if place else "")
            for kind, count in SUBJECTS.items()
            for place in range(count)
        ]
    return Source.objects.bulk_create(sources)


def learn(sources: list[Source], layouts: dict[str, Layout], now: datetime) -> None:
    """As after two weeks: every series has a full state."""
    phase = np.arange(LEARNT_VALUES) * 2 * np.pi / 288
    values = np.sin(phase) + GENERATOR.normal(size=LEARNT_VALUES)
    detector = SeriesDetector()
    begin = now.timestamp() - LEARNT_VALUES * FIVE_MINUTES.total_seconds()
    for number, value in enumerate(values.tolist()):
        detector.observe(begin + number * FIVE_MINUTES.total_seconds(), value)
    state = write_state(detector)
    Latest.objects.bulk_create(
        Latest(source=source, at=now, seq=1, layout=layouts[source.kind], values=[0.0])
        for source in sources
    )
    SeriesWatch.objects.bulk_create(
        SeriesWatch(source=source, is_watched=True, judged_until=now, stored_until=now)
        for source in sources
    )
    SeriesState.objects.bulk_create(
        [
            SeriesState(source=source, metric=key, values_count=LEARNT_VALUES, state=state)
            for source in sources
            for key in WATCHED_KEYS[source.kind]
        ],
        batch_size=500,
    )


def measure_next(sources: list[Source], layouts: dict[str, Layout], at: datetime) -> None:
    Rollup.objects.bulk_create(
        [
            Rollup(
                source=source,
                step=300,
                at=at,
                layout=layouts[source.kind],
                **{
                    column: GENERATOR.normal(size=len(WATCHED_KEYS[source.kind])).tolist()
                    for column in LAYOUT_COLUMNS
                },
            )
            for source in sources
        ],
        batch_size=2000,
    )
    Latest.objects.update(at=at)


def main() -> None:
    now = floor_five_minutes(read_now())
    layouts = {
        kind: Layout.objects.create(hash=kind, keys=list(keys))
        for kind, keys in WATCHED_KEYS.items()
    }
    sources = make_sources(int(sys.argv[1]))
    learn(sources, layouts, now)
    own, whole = [], []
    for number in range(ROUNDS):
        at = now + number * FIVE_MINUTES
        measure_next(sources, layouts, at)
        began, own_began = time.monotonic(), time.process_time()
        judged = judge_series(now=at + SETTLED_AFTER, budget_seconds=3600)
        if judged != len(sources):
            raise RuntimeError(f"{judged} of {len(sources)} sources were judged")
        own.append(time.process_time() - own_began)
        whole.append(time.monotonic() - began)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('ml_seriesstate')")
        (state_bytes,) = cursor.fetchone()
    series = SeriesState.objects.count()
    report = {
        "series": series,
        "findings": Finding.objects.count(),
        "own_seconds": own,
        "whole_seconds": whole,
        "state_bytes": state_bytes / series,
    }
    print(json.dumps(report))
