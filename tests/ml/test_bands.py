"""What charts draw of judgements: bands of what was usual, marks of what was not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.metrics.models import Layout, Rollup, Source
from apps.ml.algorithms.series.bands import DEVIATIONS, find_hour_band, find_range_band
from apps.ml.models import Finding
from apps.ml.selectors.bands import read_band, read_ribbons
from tests.factories.clients import make_client

HOUR, DAY = 3600, 86_400
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "system.cpu.utilization"

pairs = st.lists(st.tuples(st.integers(0, 500), st.floats(-1e12, 1e12)), max_size=80)


@given(pairs, st.integers(1, 300))
def test_the_range_band_is_the_least_and_the_greatest_of_the_time_before(points, span):
    points = sorted(dict(points).items())
    at = np.array([float(moment) for moment, _value in points])
    values = np.array([value for _moment, value in points])
    band = find_range_band(at, values, values + 1, span_seconds=span, hold_seconds=60)
    expected = []
    for moment, _value in points:
        before = [value for other, value in points if moment - span <= other < moment]
        if before:
            expected.append((moment, min(before), max(before) + 1))
    assert list(zip(band.at, band.low, band.high, strict=True)) == expected


def test_the_hour_band_is_the_median_of_that_hour_of_earlier_days():
    at = np.arange(0, 5 * DAY, HOUR, dtype=float)
    day = at // DAY
    values = np.where(at // HOUR % 24 == 9, 100 + day, 1.0)
    moments = np.arange(5 * DAY, 5 * DAY + 12 * HOUR, 900.0)
    band = find_hour_band(at, values, moments)
    assert band.at.tolist() == [5 * DAY + hour * HOUR for hour in range(12)]
    # 100 to 104: the median is 102, the median deviation 1.
    assert (band.low[9], band.high[9]) == (102 - DEVIATIONS, 102 + DEVIATIONS)
    assert (band.low[0], band.high[0]) == (1.0, 1.0)


def test_an_hour_that_was_seen_too_seldom_has_no_band():
    at = np.array([0.0, DAY, 2 * DAY])
    moments = np.array([DAY, 2 * DAY, 3 * DAY, 3 * DAY + HOUR], dtype=float)
    assert find_hour_band(at, np.ones(3), moments).at.tolist() == [3 * DAY]


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        find_hour_band(np.zeros(2), np.zeros(3), np.zeros(1))


@pytest.fixture
def source(db):
    return Source.objects.create(client=make_client(), kind="host")


def store_hours(source, count):
    layout = Layout.objects.create(hash="one", keys=[KEY])
    Rollup.objects.bulk_create(
        Rollup(
            source=source, step=3600, at=START + timedelta(hours=n), layout=layout,
            count=[1.0], minimum=[n % 24 - 1.0], mean=[n % 24 * 1.0], maximum=[n % 24 + 1.0],
            p50=[0.0], p95=[0.0],
        )
        for n in range(count)
    )  # fmt: skip


def test_a_band_is_read_from_what_is_kept(source):
    store_hours(source, 24 * 20)
    end = START + timedelta(days=20)
    start = end - timedelta(hours=6)
    band = read_band((source.id, KEY), "range", start=start, end=end)
    assert len(band.at) >= 6
    assert (set(band.low), set(band.high)) == ({-1.0}, {24.0})
    hours = read_band((source.id, KEY), "hour", start=start, end=end)
    assert (hours.low.tolist(), hours.high.tolist()) == ([18, 19, 20, 21, 22, 23],) * 2
    with pytest.raises(Invalid):
        read_band((source.id, KEY), "other", start=start, end=end)


def test_a_series_without_history_has_an_empty_band(source):
    for kind in ("range", "hour"):
        band = read_band((source.id, KEY), kind, start=START, end=START + timedelta(hours=1))
        assert len(band.at) == 0


def test_a_ribbon_has_the_findings_of_its_time_oldest_first(source):
    for minutes in (0, 60, 30, 600):
        at = START + timedelta(minutes=minutes)
        Finding.objects.create(
            kind="series_anomaly", severity="info", client=source.client, source=source,
            metric=KEY, cause="jump", started_at=at, ended_at=at + timedelta(minutes=5),
            score=1.1, evidence={"span_seconds": DAY}, created_at=at,
        )  # fmt: skip
    found = read_ribbons([source.id], START + timedelta(minutes=3), START + timedelta(hours=2))
    marks = found[source.id, KEY]
    assert [mark.start - START.timestamp() for mark in marks] == [0, 1800, 3600]
    assert marks[0].text == "largest step from one value to the next in 24 hours"
    assert read_ribbons([], START, START + timedelta(hours=2)) == {}


def test_a_result_that_was_unusual_as_a_whole_marks_the_metrics_that_made_it_so(source):
    parts = [
        {"subject": "net.packet.loss.ratio", "points": 38.7, "value": 0.3, "low": 0, "high": 0.01},
        {"subject": "context:gap", "points": 9.0, "value": 1.0, "low": None, "high": None},
        {"subject": KEY, "points": -3.0, "value": 0.2, "low": 0.1, "high": 0.3},
    ]
    Finding.objects.create(
        kind="joint_anomaly", severity="info", client=source.client, source=source, score=4.0,
        started_at=START, ended_at=START, is_provisional=True, created_at=START,
        evidence={"contributions": parts},
    )  # fmt: skip
    found = read_ribbons([source.id], START - timedelta(minutes=1), START + timedelta(hours=1))
    (mark,) = found.pop((source.id, "net.packet.loss.ratio"))
    assert mark.start == mark.end == START.timestamp()
    assert mark.text == (
        "result as a whole, provisional: packet loss 30 % (usual 0 to 1 %) +39 points"
    )
    assert found == {}
