"""What is older than it has to be kept goes, day by day, while uploads go on."""

import threading
from contextlib import contextmanager
from datetime import UTC, timedelta

import pytest
from django.db import OperationalError, connection, connections

from apps.configuration.services import store_settings
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.metrics import services, tasks, writers
from apps.metrics.algorithms.tiers import WEEK_SECONDS, floor_day, floor_moment
from apps.metrics.models import Arrival, DirtyBucket, Fact, Frame, HourStrip, Rollup
from apps.metrics.selectors import read_facts
from apps.metrics.services import forget_history, retention, roll_up, rollups
from apps.metrics.writers import forgetting, partitions
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.frames import make_source, store_frames


def make_days(now, ages):
    """A frame of each age in days, with its partition on PostgreSQL."""
    source = make_source()
    for age in ages:
        writers.ensure_partitions(now - timedelta(days=age))
    store_frames(source, [(now - timedelta(days=age), 1.0) for age in ages])
    return source


def settle(now):
    roll_up(now=now, budget_seconds=60)
    roll_up(now=now + timedelta(hours=2), budget_seconds=60)


def ages_kept(now):
    return sorted(
        (now - at) // timedelta(days=1) for at in Frame.objects.values_list("at", flat=True)
    )


# A partition is detached outside of transactions.
pytestmark = pytest.mark.django_db(transaction=True)


def test_frames_go_after_their_days_and_rollups_stay():
    now = read_now()
    make_days(now, [0, 7, 13, 16, 40])
    settle(now)
    forget_history(now=now, budget_seconds=60)
    assert ages_kept(now) == [0, 7, 13]
    assert Rollup.objects.filter(step=86_400).count() >= 4
    if connection.vendor == "postgresql":
        oldest = min(writers.list_partition_days())
        assert (
            oldest == (now - timedelta(days=14)).astimezone(UTC).date()
            or oldest > (now - timedelta(days=14)).date()
        )


def test_strips_are_forgotten_with_their_hours():
    now, source = read_now(), make_source()
    for at in (now - timedelta(days=4000), now):
        week = floor_moment(at, WEEK_SECONDS)
        HourStrip.objects.create(source=source, key=writers.LAID, at=week, numbers=b"")
    forget_history(now=now)
    assert HourStrip.objects.count() == 1


def test_each_tier_is_kept_as_long_as_its_setting_says():
    now = read_now()
    make_days(now, [1, 20])
    settle(now)
    store_settings(values={"raw_retention_days": 8, "five_minute_retention_days": 10})
    forget_history(now=now, budget_seconds=60)
    kept = {
        step: Rollup.objects.filter(step=step, at__lt=now - timedelta(days=15)).count()
        for step in (300, 3600, 86_400)
    }
    assert kept == {300: 0, 3600: 1, 86_400: 1}
    assert Rollup.objects.filter(step=300).count() == 1


def test_frames_that_no_rollup_knows_yet_are_kept():
    now = read_now()
    make_days(now, [20])
    forget_history(now=now, budget_seconds=60)
    assert not Arrival.objects.exists()
    assert DirtyBucket.objects.exists()
    assert ages_kept(now) == [20]
    settle(now + timedelta(hours=3))
    forget_history(now=now, budget_seconds=60)
    assert ages_kept(now) == []


def test_rows_go_in_slices_and_a_budget_ends_the_work(monkeypatch):
    monkeypatch.setattr(forgetting, "ROWS_PER_SLICE", 2)
    now = read_now()
    source = make_source()
    writers.ensure_partitions(now - timedelta(days=120))
    old = floor_day(now) - timedelta(days=120)
    store_frames(source, [(old + timedelta(minutes=5 * n), 1.0) for n in range(9)])
    settle(now)
    before = floor_day(now)
    assert [writers.delete_rollups(300, before) for _ in range(6)] == [2, 2, 2, 2, 1, 0]
    assert [writers.delete_frames(source.id, before) for _ in range(6)] == [2, 2, 2, 2, 1, 0]
    assert forget_history(now=now, budget_seconds=0) >= 0


def test_a_finer_tier_is_never_kept_longer_than_a_coarser_one():
    with pytest.raises(Invalid) as caught:
        store_settings(values={"raw_retention_days": 91})
    (error,) = caught.value.errors
    assert (error.field, error.code) == ("raw_retention_days", "range")
    assert "five_minute_retention_days, which is 90 d" in error.detail
    store_settings(values={"raw_retention_days": 91, "five_minute_retention_days": 91})
    with pytest.raises(Invalid, match=r"."):
        store_settings(values={"five_minute_retention_days": 90})
    with pytest.raises(Invalid):
        store_settings(values={"raw_retention_days": 7})


def test_a_late_record_of_a_day_that_is_gone_is_refused_by_itself(client):
    now = read_now()
    probe = make_client("late")
    make_days(now, [20])
    settle(now)
    forget_history(now=now, budget_seconds=60)
    late = wire.frame(at=now - timedelta(days=20))
    good = wire.frame(at=now)
    answer = wire.send(client, make_key(probe), late, good)
    assert wire.codes(answer) == {late["id"]: "too_old"}
    assert answer["stored"] == [good["id"]]


def test_a_fact_goes_so_long_after_another_took_its_place(monkeypatch):
    monkeypatch.setattr(retention, "FACTS_PER_TRANSACTION", 2)
    now = read_now()
    source = make_source()
    for key, ages in {"flaps": (400, 300, 200, 91, 89, 0), "os": (500,), "new": (1, 0)}.items():
        for age in ages:
            since = now - timedelta(days=age)
            services.record_fact(source_id=source.id, key=key, value=f"{age}", since=since)
    tasks.forget_facts()
    kept = Fact.objects.order_by("key", "since").values_list("key", "value")
    assert list(kept) == [
        *(("flaps", f"{age}") for age in (91, 89, 0)),
        *(("new", f"{age}") for age in (1, 0)),
        ("os", "500"),
    ]
    store_settings(values={"fact_retention_days": 8})
    assert services.forget_facts(now) == 1
    assert read_facts(source.id) == {"flaps": "0", "os": "500", "new": "0"}


def test_a_busy_worker_at_the_arrivals_keeps_all_frames(monkeypatch):
    now = read_now()
    make_days(now, [20])
    settle(now)
    Arrival.objects.create(slots={})
    monkeypatch.setattr(rollups, "sort_arrivals", lambda _now, **_options: 0)
    forget_history(now=now, budget_seconds=60)
    assert ages_kept(now) == [20]


@pytest.fixture
def old_day():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no partitions")
    moment = read_now() - timedelta(days=400)
    writers.ensure_partitions(moment)
    yield moment.astimezone(UTC).date()
    for day in writers.list_droppable_days():
        if day < (read_now() - timedelta(days=9)).date():
            writers.drop_partition(day)


def test_partitions_are_made_and_dropped_while_uploads_go_on(old_day):
    """Fault 20: rotation under load; no upload fails, waits for long or is lost."""
    source, now = make_source(), read_now()
    errors, stored = [], []
    is_over = threading.Event()

    def upload():
        number = 0
        try:
            while not is_over.is_set():
                rows = [(now - timedelta(seconds=number), float(number))]
                stored.append(store_frames(source, rows, first_seq=number))
                number += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            errors.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        for _round in range(5):
            for day in [day for day in writers.list_partition_days() if day <= old_day]:
                assert writers.drop_partition(day)
            writers.ensure_partitions(read_now() - timedelta(days=400))
    finally:
        is_over.set()
        thread.join()
    assert errors == []
    assert len(stored) > 5
    assert Frame.objects.filter(source=source).count() == len(stored)


def test_a_partition_whose_drop_was_cut_short_is_dropped_by_the_next_call(old_day):
    name = partitions.name_partition(old_day)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE metrics_frame DETACH PARTITION {name} CONCURRENTLY")
    assert old_day not in writers.list_partition_days()
    assert old_day in writers.list_droppable_days()
    assert writers.drop_partition(old_day)
    assert old_day not in writers.list_droppable_days()


def test_a_table_that_was_made_but_not_attached_is_attached_by_the_next_call(old_day):
    name = partitions.name_partition(old_day)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE metrics_frame DETACH PARTITION {name} CONCURRENTLY")
    assert name in writers.ensure_partitions(read_now() - timedelta(days=400))
    source = make_source()
    moment = read_now() - timedelta(days=400)
    assert len(store_frames(source, [(moment, 1.0)])) == 1
    assert store_frames(source, [(moment, 1.0)]) == set()


@contextmanager
def hold_partition(day):
    """Somebody else reads the partition in a transaction that does not end."""
    name = partitions.name_partition(day)
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {name} IN SHARE MODE")
            is_held.set()
            is_over.wait(30)
            cursor.execute("ROLLBACK")
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert is_held.wait(30)
        yield
    finally:
        is_over.set()
        thread.join()


def test_a_partition_that_somebody_holds_is_left_for_the_next_call(old_day, monkeypatch):
    monkeypatch.setattr(partitions, "ATTEMPTS", 1)
    with hold_partition(old_day):
        assert not writers.drop_partition(old_day)
    monkeypatch.setattr(partitions, "ATTEMPTS", 10)
    assert writers.drop_partition(old_day)


def test_a_fault_that_is_no_busy_lock_is_raised(old_day, monkeypatch):
    monkeypatch.setattr(partitions, "BUSY_CODES", frozenset())
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "1ms")
    with hold_partition(old_day), pytest.raises(OperationalError):
        writers.drop_partition(old_day)


def test_the_tasks_do_the_work():
    tasks.roll_up()
    tasks.forget_history()
    assert services.forget_history(now=read_now()) == 0
