"""Comparison, rates and tiers through the API of series."""

from datetime import timedelta

import pytest

from apps.core.clock import read_now
from apps.metrics.models import Frame
from apps.metrics.services import roll_up
from tests.factories.accounts import make_user
from tests.factories.frames import (
    COUNTER,
    KEY,
    MIDNIGHT,
    make_partitions,
    make_source,
    store_frames,
)

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def viewer(client):
    client.force_login(make_user("ann", "viewer"))
    return client


@pytest.fixture(autouse=True)
def partitions(db):
    make_partitions()


@pytest.fixture
def source():
    return make_source()


def read(http, source, **query):
    return http.get("/api/v1/series/", {"client": source.client_id, "metric": KEY, **query})


def test_a_series_says_its_tier_and_median(viewer, source):
    rows = [(MIDNIGHT + timedelta(minutes=n), float(n % 60)) for n in range(1440)]
    store_frames(source, rows)
    roll_up(now=MIDNIGHT + timedelta(days=30), budget_seconds=60)
    roll_up(now=MIDNIGHT + timedelta(days=31), budget_seconds=60)
    Frame.objects.all().delete()
    span = {
        "start": MIDNIGHT.isoformat(),
        "end": (MIDNIGHT + timedelta(days=1)).isoformat(),
        "points": 25,
    }
    document = read(viewer, source, **span).json()
    assert (document["tier"], document["step_seconds"]) == ("1h", 3600)
    assert document["p50"] == [29.5] * 24
    assert document["is_estimated"] is False
    assert "earlier" not in document


def test_an_earlier_range_comes_beside_the_present(viewer, source):
    now = read_now()
    store_frames(
        source, [(now - timedelta(minutes=5), 6.0), (now - timedelta(days=1, minutes=5), 4.0)]
    )
    document = read(viewer, source, compare="1d").json()
    assert document["mean"] == [6.0]
    assert document["earlier"]["mean"] == [4.0]
    assert document["earlier"]["at"] == pytest.approx(document["at"])
    assert document["change"] == {"mean": 0.5, "p50": 0.5, "p95": 0.5, "maximum": 0.5}


def test_a_counter_gives_its_rate(viewer, source):
    now = read_now()
    rows = [(now - timedelta(seconds=60 - 10 * n), 500.0 * n) for n in range(5)]
    store_frames(source, rows, (COUNTER,))
    document = read(viewer, source, metric=COUNTER, rate="true").json()
    assert document["mean"] == pytest.approx([50.0] * 4)
    assert document["unit"] == "By/s"


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"compare": "7 days"}, "compare", "such as 1d"),
        ({"compare": "0d"}, "compare", "such as 1d"),
        ({"compare": "9999d"}, "compare", "up to 3660d"),
        ({"rate": "true"}, "rate", "only a counter has a rate"),
        ({"rate": "true", "metric": COUNTER, "compare": "1d"}, "compare", "together with rate"),
        ({"points": 2001}, "points", "2000"),
    ],
)
def test_a_wrong_question_names_field_and_limit(viewer, source, query, field, said):
    store_frames(source, [(read_now(), 1.0)])
    answer = read(viewer, source, **query)
    assert answer.status_code == 400
    (error,) = answer.json()["data"]["errors"]
    assert error["field"] == field
    assert said in error["detail"]


def test_history_is_only_of_clients_one_may_see(client, source):
    client.force_login(make_user("eve"))
    store_frames(source, [(read_now(), 1.0)])
    assert read(client, source, compare="1d").status_code in {403, 404}
