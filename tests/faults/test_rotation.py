"""Partitions made and dropped, and history forgotten, while uploads of all ages come in."""

import random
from datetime import timedelta

import psycopg2
import pytest

from apps.core.clock import read_now
from tests.factories import wire
from tests.faults.oracle import LONG_AGO, Database
from tests.faults.sending import run_door
from tests.faults.uploads import judge_uploads, keep_uploading, wait_for_uploads

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.postgresql]

WEEK_SECONDS = 7 * 86_400
MONTH_SECONDS = 30 * 86_400
PARTITIONS_QUERY = (
    "SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') FROM pg_inherits"
    " WHERE inhparent = 'metrics_frame'::regclass AND now() >= {mark} ORDER BY 1"
)
REFUSED_QUERY = "SELECT sum(rejected) FROM metrics_ingestbatch WHERE received_at >= {mark}"
TURNS = 4
DAYS_KEPT = 8
UNINTERRUPTED = "uploads are not interrupted"
# Makes two weeks of days long gone, and lets the server forget them, turn for turn.
ROTATE = """
import django; django.setup()
from datetime import timedelta
from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.metrics.services import forget_history, prepare_storage
from apps.metrics.writers import ensure_partitions
store_settings(values={{"raw_retention_days": {days}}})
for _ in range({turns}):
    now = read_now()
    ensure_partitions(now - timedelta(days=20))
    prepare_storage(now)
    forget_history(now=now, budget_seconds=60)
"""


@pytest.fixture(scope="module", params=["postgresql"])
def stack(request):
    with run_door(request) as running:
        yield running


def make_records_of_all_ages():
    """A live frame, two of the last week, and one from a range that may be dropped."""
    numbers = random.Random()  # noqa: S311 - ages, no secrets
    ages = [0, numbers.uniform(0, WEEK_SECONDS - 60), WEEK_SECONDS - 60]
    good = [make_frame(age) for age in ages]
    return good, [make_frame(numbers.uniform(WEEK_SECONDS + 60, MONTH_SECONDS))]


def make_frame(age_seconds):
    at = read_now() - timedelta(seconds=age_seconds)
    return wire.frame(source=("interface", f"eth{int(age_seconds) % 3}"), at=at)


def list_days(stack):
    return [day for (day,) in Database.of(stack.environment).select(PARTITIONS_QUERY, LONG_AGO)]


def test_rotation_under_load_loses_nothing_and_late_rows_of_dropped_days_are_counted(
    stack, rounds, fault_journal
):
    begun_at = read_now()
    with keep_uploading(stack, make_records_of_all_ages) as uploads:
        for _ in range(max(1, rounds // 2)):
            stack.run_python("-c", ROTATE.format(turns=TURNS, days=DAYS_KEPT))
            wait_for_uploads(uploads)
    assert set(uploads.statuses) <= {200, 503}, uploads.statuses
    verdicts = judge_uploads(stack, uploads)
    fault_journal.record(
        20,
        "partitions made and dropped",
        *verdicts,
        runs=TURNS * max(1, rounds // 2),
        refused=uploads.expired,
        nothing_to_recover=UNINTERRUPTED,
    )
    for verdict in verdicts:
        assert verdict.is_exactly_once, verdict
    assert uploads.expired > 0
    refused = Database.of(stack.environment).select(REFUSED_QUERY, begun_at)
    assert refused == [(uploads.expired,)]
    days = list_days(stack)
    today = read_now().date()
    assert days[0] >= today - timedelta(days=DAYS_KEPT)
    assert today in days
    assert today + timedelta(days=1) in days


def test_a_partition_that_cannot_be_had_stops_neither_uploads_nor_the_next_turn(
    stack, fault_journal
):
    """A reader that never ends holds an old day; it is forgotten once the reader is gone."""
    stack.run_python("-c", MAKE_OLD)
    oldest = list_days(stack)[0]
    reader = psycopg2.connect(stack.database_url)
    try:
        reader.cursor().execute(f"TABLE metrics_frame_{oldest:%Y%m%d}")
        with keep_uploading(stack, make_records_of_all_ages) as uploads:
            stack.run_python("-c", ROTATE.format(turns=1, days=DAYS_KEPT))
            wait_for_uploads(uploads)
    finally:
        reader.close()
    assert set(uploads.statuses) <= {200, 503}, uploads.statuses
    stack.run_python("-c", ROTATE.format(turns=1, days=DAYS_KEPT))
    assert list_days(stack)[0] >= read_now().date() - timedelta(days=DAYS_KEPT)
    verdicts = judge_uploads(stack, uploads)
    fault_journal.record(
        20,
        "a partition that cannot be had",
        *verdicts,
        refused=uploads.expired,
        nothing_to_recover=UNINTERRUPTED,
    )
    for verdict in verdicts:
        assert verdict.is_exactly_once, verdict


MAKE_OLD = """
import django; django.setup()
from datetime import timedelta
from apps.core.clock import read_now
from apps.metrics.writers import ensure_partitions
ensure_partitions(read_now() - timedelta(days=20))
"""
