"""Seven days of backlog are taken whole in any order; what is older is refused and counted."""

import random
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.clock import read_now
from apps.ingest import services
from apps.ingest.models import RefusalCount, RejectedRecord
from apps.ingest.selectors import list_refusals, sum_refusals
from apps.metrics.models import Frame, Latest
from apps.metrics.writers import drop_partition, ensure_partitions
from tests.factories import wire
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db

LOCKS = ("pg_advisory_xact_lock", "pg_advisory_lock")


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


def build_backlog(days=7, step=timedelta(hours=2)):
    """Frames of all those days, oldest first; the value is their place in time."""
    now = read_now()
    count = int(timedelta(days=days) / step)
    moments = [now - step * number for number in range(count)][::-1]
    return [
        wire.frame((float(place), 0.5), at=at, id=f"f{place}") for place, at in enumerate(moments)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_backlog_of_seven_days_is_stored_whole_in_any_order(client, key, seed):
    backlog = build_backlog()
    shuffled = random.Random(seed).sample(backlog, len(backlog))  # noqa: S311 - repeatable order
    for start in range(0, len(shuffled), 20):
        answer = wire.send(client, key, *shuffled[start : start + 20])
        assert not answer["rejected"]
    assert Frame.objects.count() == len(backlog)
    values = Frame.objects.order_by("at").values_list("values", flat=True)
    assert [row[0] for row in values] == list(range(len(backlog)))
    assert Latest.objects.get().values[0] == len(backlog) - 1


def test_the_latest_is_the_newest_by_its_own_time_not_by_arrival(client, key):
    now = read_now()
    wire.send(client, key, wire.frame((2.0, 0.5), at=now))
    wire.send(client, key, wire.frame((1.0, 0.5), at=now - timedelta(days=6)))
    assert Latest.objects.get().values[0] == 2.0


def test_what_is_refused_is_counted_by_client_and_reason(client, key, probe):
    now = read_now()
    old = [wire.frame(at=now - timedelta(days=8)) for _ in range(3)]
    early = wire.frame(at=now + timedelta(hours=25))
    wire.send(client, key, *old, early, wire.frame())
    wire.send(client, key, *old)
    other = make_client("other")
    wire.send(client, make_key(other), old[0])
    assert sum_refusals() == {"in_future": 1, "too_old": 7}
    counted = {row.code: row.count for row in list_refusals(probe.id)}
    assert counted == {"in_future": 1, "too_old": 6}


def test_counting_outlives_the_samples_that_are_kept(client, key):
    old = [wire.frame(at=read_now() - timedelta(days=8)) for _ in range(50)]
    wire.send(client, key, *old)
    with time_machine.travel(read_now() + services.REJECTED_LIFE + timedelta(days=1)):
        wire.send(client, key, wire.fact("no such", "x" * 2000))
    assert RejectedRecord.objects.count() == 1
    assert sum_refusals()["too_old"] == 50


def drop_day(moment):
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE metrics_frame_{moment:%Y%m%d}")


def is_partitioned():
    return connection.vendor == "postgresql"


@pytest.mark.django_db(transaction=True)
def test_a_partition_is_made_under_a_lock_that_no_pool_can_leave_behind(client, key):
    if not is_partitioned():
        pytest.skip("SQLite has no partitions")
    ensure_partitions(read_now())
    drop_partition(read_now().date())
    with CaptureQueriesContext(connection) as captured:
        assert wire.send(client, key, wire.frame(id="a"))["stored"] == ["a"]
    locks = {name for query in captured for name in LOCKS if f" {name}(" in query["sql"]}
    assert locks == {"pg_advisory_xact_lock"}


def test_a_day_whose_partition_went_missing_gets_it_back(client, key):
    moment = read_now() - timedelta(days=3)
    if is_partitioned():
        ensure_partitions(read_now())
        drop_day(moment)
    answer = wire.send(client, key, wire.frame(at=moment, id="late"), wire.frame(id="now"))
    assert sorted(answer["stored"]) == ["late", "now"]


def test_a_day_that_is_no_longer_kept_is_refused_record_by_record(client, key, monkeypatch):
    """Its history was dropped, and will not be begun again."""
    moment = read_now() - timedelta(days=3)
    monkeypatch.setattr(services, "ensure_partitions", lambda _now: [])
    if is_partitioned():
        ensure_partitions(read_now())
        drop_day(moment)
    answer = wire.send(client, key, wire.frame(at=moment, id="late"), wire.frame(id="now"))
    if not is_partitioned():
        assert sorted(answer["stored"]) == ["late", "now"]
        return
    assert answer["stored"] == ["now"]
    assert wire.codes(answer) == {"late": "too_old"}
    assert RefusalCount.objects.get().code == "too_old"
    assert "no longer kept" in RejectedRecord.objects.get().detail
