"""Series cut into buckets, compared with a plain recomputation."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.buckets import NICE_STEPS_SECONDS, choose_step_seconds
from apps.core.clock import read_now
from apps.core.errors import Invalid, NotFound
from apps.metrics.algorithms.series import bucket_series
from apps.metrics.models import Frame, Layout, Source
from apps.metrics.selectors import (
    find_host_source,
    list_host_values,
    read_facts,
    read_latest,
    read_latest_of_sources,
    read_range,
)
from tests.factories import wire
from tests.factories.clients import make_client, make_key
from tests.factories.tests import make_assignment

finite = st.floats(-1e12, 1e12, allow_nan=False)
moments = st.floats(1.7e9, 1.7e9 + 5e4).map(lambda at: round(at, 3))
series = st.lists(st.tuples(moments, finite), max_size=200).map(sorted)


def recompute(points, step):
    """The buckets by their definition, one value after the other."""
    buckets = {}
    for at, value in points:
        buckets.setdefault(math.floor(at / step) * step, []).append(value)
    return buckets


@given(series, st.sampled_from([1, 5, 60, 3600]))
def test_buckets_hold_exactly_the_values_of_their_time(points, step):
    at = np.array([point[0] for point in points])
    values = np.array([point[1] for point in points])
    found = bucket_series(at, values, step)
    expected = recompute(points, step)
    assert found.start.tolist() == list(expected)
    assert found.count.tolist() == [len(part) for part in expected.values()]
    assert found.minimum.tolist() == [min(part) for part in expected.values()]
    assert found.maximum.tolist() == [max(part) for part in expected.values()]
    means = [np.mean(part) for part in expected.values()]
    np.testing.assert_allclose(found.mean, means, rtol=1e-9, atol=1e-3)
    p95 = [np.percentile(part, 95) for part in expected.values()]
    np.testing.assert_allclose(found.p95, p95, rtol=1e-9)


@given(series.filter(bool), st.sampled_from([1, 60]))
def test_the_numbers_of_a_bucket_are_in_order(points, step):
    found = bucket_series(*np.array(points).T, step)
    slack = 1e-6 * (np.abs(found.minimum) + np.abs(found.maximum) + 1)
    assert (found.minimum <= found.mean + slack).all()
    assert (found.mean <= found.maximum + slack).all()
    assert (found.minimum <= found.p95 + slack).all()
    assert (found.p95 <= found.maximum + slack).all()


def test_nothing_gives_no_buckets():
    assert len(bucket_series(np.empty(0), np.empty(0), 1).start) == 0


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_that_is_not_positive_is_refused(step):
    with pytest.raises(ValueError, match="step"):
        bucket_series(np.empty(0), np.empty(0), step)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        bucket_series(np.zeros(2), np.zeros(3), 1)


@given(st.integers(1, 10**9), st.integers(1, 2000))
def test_a_step_never_gives_more_buckets_than_asked_for(span_seconds, points):
    start = datetime(2026, 1, 31, 12, 0, 7, tzinfo=UTC)
    end = start + timedelta(seconds=span_seconds)
    step = choose_step_seconds(start, end, points)
    touched = math.ceil(end.timestamp() / step) - math.floor(start.timestamp() / step)
    assert touched <= max(points, 2)
    assert step in NICE_STEPS_SECONDS or step % NICE_STEPS_SECONDS[-1] == 0


def test_an_empty_range_has_no_step():
    now = read_now()
    with pytest.raises(ValueError, match="positive"):
        choose_step_seconds(now, now, 10)


@pytest.fixture
def source():
    return Source.objects.create(client=make_client(), kind="host")


def store(source, rows, keys=wire.CPU_KEYS):
    layout, _made = Layout.objects.get_or_create(
        hash=f"{hash(tuple(keys)) & 0xFFFF:016x}", defaults={"keys": list(keys)}
    )
    Frame.objects.bulk_create(
        Frame(source=source, at=at, seq=seq, layout=layout, values=values, received_at=read_now())
        for seq, (at, values) in enumerate(rows)
    )


@pytest.mark.django_db
def test_a_short_range_gives_single_values_without_what_was_not_measured(source):
    start = read_now().replace(microsecond=0) - timedelta(minutes=5)
    values = [0.5, None, 0.25]
    store(source, [(start + timedelta(seconds=n), (1.0, v)) for n, v in enumerate(values)])
    found = read_range(
        source_id=source.id, key=wire.CPU_KEYS[1], start=start, end=start + timedelta(seconds=10)
    )
    assert found.step_seconds == 0
    assert found.at == [start.timestamp(), start.timestamp() + 2]
    assert found.mean == found.minimum == found.maximum == found.p95 == [0.5, 0.25]
    assert found.count == [1, 1]


@pytest.mark.django_db
def test_a_long_range_is_cut_to_the_points_asked_for_and_agrees_with_numpy(source):
    start = read_now().replace(microsecond=0) - timedelta(hours=3)
    values = np.random.default_rng(7).lognormal(size=3000)
    rows = [(start + timedelta(seconds=3 * n), (float(v), 0.0)) for n, v in enumerate(values)]
    store(source, rows)
    end = start + timedelta(seconds=9000)
    found = read_range(source_id=source.id, key=wire.CPU_KEYS[0], start=start, end=end, points=100)
    assert len(found.at) <= 100
    assert sum(found.count) == 3000
    points = [(at.timestamp(), row[0]) for at, row in rows]
    expected = recompute(points, found.step_seconds)
    assert found.at == list(expected)
    np.testing.assert_allclose(found.mean, [np.mean(part) for part in expected.values()])
    np.testing.assert_allclose(found.p95, [np.percentile(part, 95) for part in expected.values()])
    assert found.maximum == [max(part) for part in expected.values()]


@pytest.mark.django_db
def test_a_series_goes_on_across_a_change_of_layout(source):
    start = read_now().replace(microsecond=0) - timedelta(minutes=5)
    turned = tuple(reversed(wire.CPU_KEYS))
    store(source, [(start, (1.0, 9.0)), (start + timedelta(seconds=4), (4.0, 9.0))])
    store(source, [(start + timedelta(seconds=2), (9.0, 2.0))], keys=turned)
    store(source, [(start + timedelta(seconds=3), (8.0,))], keys=("net.rtt.median",))
    end = start + timedelta(seconds=10)
    found = read_range(source_id=source.id, key=wire.CPU_KEYS[0], start=start, end=end)
    assert found.mean == [1.0, 2.0, 4.0]


@pytest.mark.django_db
def test_a_range_includes_its_start_and_not_its_end(source):
    start = read_now().replace(microsecond=0) - timedelta(minutes=5)
    store(source, [(start + timedelta(seconds=n), (float(n), 0.0)) for n in range(4)])
    found = read_range(
        source_id=source.id,
        key=wire.CPU_KEYS[0],
        start=start + timedelta(seconds=1),
        end=start + timedelta(seconds=3),
    )
    assert found.mean == [1.0, 2.0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"),
    [({"points": 0}, "points"), ({"points": 2001}, "points"), ({"span": 0}, "end")],
)
def test_a_wrong_range_names_its_field(change, field):
    now = read_now()
    end = now + timedelta(seconds=change.pop("span", 60))
    with pytest.raises(Invalid) as caught:
        read_range(source_id=1, key="net.rtt.median", start=now, end=end, **change)
    assert [error.field for error in caught.value.errors] == [field]


@pytest.mark.django_db
def test_the_latest_values_come_with_the_reasons_of_what_is_missing(client):
    probe = make_client()
    keys = wire.CPU_KEYS
    wire.send(
        client,
        make_key(probe),
        wire.frame((0.5, None), absent={keys[1]: "P"}),
        wire.frame((0.1, 0.2), source=("interface", "eth0")),
    )
    (host,) = read_latest([probe.id])[probe.id]
    assert (host.values, host.absent) == ({keys[0]: 0.5}, {keys[1]: "P"})
    by_source = read_latest_of_sources([host.source_id])
    assert by_source[host.source_id] == host
    kinds = [(row.kind, row.subject) for row in list_host_values(probe.id)]
    assert kinds == [("host", ""), ("interface", "eth0")]


@pytest.mark.django_db
def test_facts_are_those_that_hold_now(client):
    probe = make_client()
    now = read_now()
    facts = [
        wire.fact("os", value, at=now + timedelta(seconds=age))
        for value, age in (("Debian 13", 0), ("Debian 12", -60))
    ]
    wire.send(client, make_key(probe), *facts)
    assert read_facts(Source.objects.get().id) == {"os": "Debian 13"}


@pytest.mark.django_db
def test_a_host_source_is_found_by_its_key_unless_several_have_it(client):
    probe = make_client()
    key = "system.network.io.rate{direction=receive}"
    assignment = make_assignment(probe)
    frames = [
        wire.frame((1.0,), keys=(key,), source=("interface", name)) for name in ("eth0", "lo")
    ]
    ping = wire.frame(keys=wire.PING_KEYS, source=("assignment", str(assignment.id)))
    wire.send(
        client,
        make_key(probe),
        wire.frame(),
        *frames,
        ping,
        keys=(wire.CPU_KEYS, (key,), wire.PING_KEYS),
    )
    assert find_host_source(client_id=probe.id, key=wire.CPU_KEYS[0]).kind == "host"
    assert find_host_source(client_id=probe.id, key=key, subject="lo").subject == "lo"
    with pytest.raises(Invalid, match="eth0"):
        find_host_source(client_id=probe.id, key=key)
    with pytest.raises(NotFound):
        find_host_source(client_id=probe.id, key="net.rtt.median")
    with pytest.raises(NotFound):
        find_host_source(client_id=probe.id, key=key, kind="assignment")
