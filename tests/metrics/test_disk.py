"""How much disk the history uses, how fast it grows, and how long the disk lasts."""

import shutil
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection

from apps.core.clock import read_now
from apps.metrics import writers
from apps.metrics.algorithms.tiers import floor_day
from apps.metrics.selectors import read_storage, sizes
from apps.metrics.services import roll_up
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.frames import make_source, store_frames
from tests.factories.tests import make_assignment, make_run

pytestmark = pytest.mark.django_db


def fill(days, every_minutes=10):
    now = read_now()
    writers.ensure_partitions(now)
    start = floor_day(now) - timedelta(days=days)
    count = days * 1440 // every_minutes
    rows = [(start + timedelta(minutes=every_minutes * n), float(n)) for n in range(count)]
    store_frames(make_source(), rows)
    roll_up(now=now, budget_seconds=60)
    roll_up(now=now + timedelta(hours=2), budget_seconds=60)
    return now


def by_name(storage):
    return {tier.name: tier for tier in storage.tiers}


@pytest.fixture
def disk(monkeypatch):
    """Says how many bytes of the disk are free."""

    def set_free(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
        monkeypatch.setattr(sizes, "is_local", lambda _host: True)

    return set_free


def test_every_tier_says_what_it_holds():
    now = fill(3)
    tiers = by_name(read_storage(now))
    assert list(tiers) == ["raw", "5m", "1h", "1d", "results", "other"]
    assert tiers["raw"].rows == 432
    # Estimated from the rows of the last day.
    assert (tiers["1h"].rows, tiers["1d"].rows) == pytest.approx((72, 3), abs=1)
    assert tiers["raw"].oldest_at == floor_day(now) - timedelta(days=3)
    assert tiers["raw"].newest_at == floor_day(now) - timedelta(minutes=10)
    assert tiers["1d"].newest_at == floor_day(now) - timedelta(days=1)
    assert [tier.kept_days for tier in tiers.values()] == [14, 90, 400, 3650, 400, 8]
    assert all(tiers[name].bytes > 0 for name in ("raw", "5m", "1h", "1d"))
    assert tiers["raw"].bytes_per_day == pytest.approx(tiers["raw"].bytes / 3, rel=0.01)


@pytest.mark.parametrize("walked_bytes", [sizes.WALKED_BYTES, 0], ids=["counted", "estimated"])
@pytest.mark.parametrize("overhead_bytes", [sizes.ROW_OVERHEAD_BYTES, 5000])
def test_the_tiers_together_are_what_the_database_uses(monkeypatch, walked_bytes, overhead_bytes):
    monkeypatch.setattr(sizes, "WALKED_BYTES", walked_bytes)
    monkeypatch.setattr(sizes, "ROW_OVERHEAD_BYTES", overhead_bytes)
    storage = read_storage(fill(3))
    total = sum(tier.bytes for tier in storage.tiers)
    assert total == pytest.approx(sizes.measure_used(), abs=20)
    assert total <= storage.database_bytes + 20


def test_an_sqlite_without_its_table_of_pages_is_estimated(monkeypatch):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL knows its sizes")
    now = fill(3)
    counted = by_name(read_storage(now))["raw"].bytes
    cache.clear()
    monkeypatch.setattr(sizes, "can_count_pages", lambda: False)
    assert by_name(read_storage(now))["raw"].bytes == pytest.approx(counted, rel=0.6)


def test_runs_that_have_no_result_yet_are_no_history():
    make_run(make_assignment(make_client("edge"), "Ping"), start_at=read_now())
    results = by_name(read_storage(read_now()))["results"]
    assert (results.oldest_at, results.newest_at) == (None, None)


def test_nothing_stored_says_so_instead_of_zero():
    storage = read_storage(read_now())
    raw = by_name(storage)["raw"]
    assert (raw.rows, raw.oldest_at, raw.bytes_per_day) == (0, None, None)
    assert storage.bytes_per_day is None
    assert storage.days_left is None
    assert str(storage.reason)
    assert storage.database_bytes > 0


def test_a_small_disk_lasts_some_days_and_a_large_one_for_ever(disk):
    now = fill(3)
    disk(10_000)
    storage = read_storage(now)
    assert storage.days_left is not None
    assert 0 < storage.days_left < 30
    assert storage.reason == ""
    cache.clear()
    disk(10**15)
    storage = read_storage(now)
    assert storage.days_left is None
    assert "fits" in str(storage.reason)


def test_a_disk_that_cannot_be_seen_is_said_to_be_so(monkeypatch):
    monkeypatch.setattr(sizes, "measure_free", lambda: None)
    storage = read_storage(fill(1))
    assert (storage.free_bytes, storage.days_left) == (None, None)
    assert "cannot be seen" in str(storage.reason)


def test_a_folder_that_is_gone_gives_no_free_bytes(tmp_path):
    assert sizes.read_free(tmp_path / "gone", 0) is None
    assert sizes.read_free(tmp_path, 7) > 7


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("", True), ("/run/postgresql", True), ("127.0.0.1", True), ("::1", True), ("db.lan", False)],
)
def test_a_database_on_another_machine_has_another_disk(host, is_local):
    assert sizes.is_local(host) is is_local


def test_figures_are_read_once_a_minute(django_assert_num_queries):
    now = fill(1)
    known = read_storage(now)
    with django_assert_num_queries(0):
        assert read_storage(now) == known


def test_the_database_is_asked_for_estimates_once_it_has_them():
    now = fill(3)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    assert by_name(read_storage(now))["raw"].rows == 432


def test_administrators_read_the_storage_by_the_api(client):
    fill(1)
    client.force_login(make_user("eve", "viewer"))
    assert client.get("/api/v1/storage/").status_code == 403
    client.force_login(make_user("root", "admin"))
    document = client.get("/api/v1/storage/").json()
    assert document["tiers"][0]["name"] == "raw"
    assert document["tiers"][0]["title"] == "Measured values"
    assert document["database_bytes"] > 0
