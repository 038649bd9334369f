"""Arrays of numbers, layouts, partitions: the same on both databases."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.metrics import writers
from apps.metrics.catalogue import METRICS, parse_key
from apps.metrics.fields import ElementAt, pack_numbers, unpack_numbers
from apps.metrics.models import Frame, IngestBatch, Latest, Layout, Source
from apps.metrics.services import (
    KnownLayout,
    NewFrame,
    hash_layout,
    know_layout,
    prepare_storage,
    record_frames,
)
from apps.metrics.writers import frames as frame_writers
from tests.factories import wire
from tests.factories.clients import make_client

numbers = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=256)


@given(numbers)
def test_packing_and_unpacking_changes_no_number(values):
    assert unpack_numbers(pack_numbers(values)) == values


@pytest.fixture
def source():
    return Source.objects.create(client=make_client(), kind="host")


@pytest.fixture
def layout():
    return Layout.objects.create(hash="0" * 16, keys=["a", "b", "c"])


def insert(source, layout, rows):
    frames = [
        NewFrame(
            source_id=source.id,
            source_kind="host",
            source_subject="",
            at=at,
            seq=seq,
            layout=KnownLayout(layout.id, tuple(layout.keys)),
            values=tuple(values),
            absent=None,
        )
        for seq, (at, values) in enumerate(rows)
    ]
    return record_frames(client_id=source.client_id, frames=frames, received_at=read_now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        (1.5, None, -2.25),
        (None, None, None),
        (5e-324, 1.7976931348623157e308, -0.0),
        (0.1 + 0.2, 1 / 3, math.pi),
    ],
)
def test_stored_numbers_come_back_bit_for_bit(source, layout, values):
    insert(source, layout, [(read_now(), values)])
    assert list(Frame.objects.get().values) == list(values)
    assert list(Latest.objects.get().values) == list(values)


@pytest.mark.django_db
def test_the_database_cuts_single_numbers_out(source, layout):
    now = read_now()
    rows = [(1.0, None, 3.0), (None, 2.5, -1e300), (0.0, 0.5, None)]
    insert(source, layout, [(now + timedelta(seconds=n), row) for n, row in enumerate(rows)])
    for index in range(3):
        column = Frame.objects.order_by("at").annotate(number=ElementAt("values", index))
        assert list(column.values_list("number", flat=True)) == [row[index] for row in rows]
    beyond = Frame.objects.annotate(number=ElementAt("values", 9))
    assert set(beyond.values_list("number", flat=True)) == {None}


@pytest.mark.django_db
def test_a_frame_is_stored_once_for_its_source_time_and_sequence(source, layout):
    now = read_now()
    first = insert(source, layout, [(now, (1.0, 2.0, 3.0))])
    assert first == {(source.id, now, 0)}
    assert insert(source, layout, [(now, (9.0, 9.0, 9.0))]) == set()
    assert list(Frame.objects.get().values) == [1.0, 2.0, 3.0]


@pytest.mark.django_db
def test_more_frames_than_fit_one_statement_are_stored(source, layout, monkeypatch):
    monkeypatch.setattr(frame_writers, "ROWS_PER_STATEMENT", 7)
    now = read_now()
    rows = [(now + timedelta(milliseconds=n), (float(n), None, 0.0)) for n in range(50)]
    assert len(insert(source, layout, rows)) == 50
    assert Latest.objects.get().values[0] == 49.0


@pytest.mark.django_db
def test_an_older_frame_never_replaces_the_latest(source, layout):
    now = read_now()
    insert(source, layout, [(now, (2.0, 2.0, 2.0))])
    insert(source, layout, [(now - timedelta(seconds=1), (1.0, 1.0, 1.0))])
    assert Latest.objects.get().values[0] == 2.0


@pytest.mark.django_db
def test_a_layout_is_named_by_the_hash_of_its_keys():
    keys = list(wire.CPU_KEYS)
    assert len(hash_layout(keys)) == 16
    known = know_layout(hash_layout(keys), keys)
    assert know_layout(hash_layout(keys), None) == known
    with pytest.raises(Invalid):
        know_layout("f" * 16, keys)


@pytest.mark.parametrize(
    "text",
    [
        "system.cpu.utilization",
        "system.network.io.rate{direction=receive}",
        "net.rtt.median",
    ],
)
def test_a_key_of_the_catalogue_is_understood(text):
    key = parse_key(text)
    assert text.startswith(key.metric.name)
    assert [name for name, _value in key.attributes] == sorted(
        name for name, _value in key.attributes
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no.such.metric",
        "system.cpu.utilization{}",
        "system.cpu.utilization{cpu=0",
        "net.rtt.median{direction=receive}",
        "system.network.io.rate{direction=}",
        "system.network.io.rate{direction=a,direction=b}",
        "system.network.io.rate{direction=" + "x" * 65 + "}",
        "system.network.io.rate{direction=a\x00}",
        "NET.RTT.MEDIAN",
        "net.rtt.median ",
    ],
)
def test_any_other_key_is_not(text):
    assert parse_key(text) is None


def test_every_metric_says_what_it_is():
    for metric in METRICS.values():
        assert metric.unit, metric
        assert metric.description.endswith("."), metric
        assert set(metric.absent) <= set("UPTNI"), metric


@pytest.mark.django_db
def test_every_day_that_may_get_data_has_its_partition():
    now = datetime(2031, 5, 17, 12, tzinfo=UTC)
    made = writers.ensure_partitions(now)
    if connection.vendor != "postgresql":
        assert made == []
        return
    assert len(made) == 12
    assert made[0] == "metrics_frame_20310509"
    assert made[-1] == "metrics_frame_20310520"
    assert writers.ensure_partitions(now) == []


@pytest.mark.django_db
def test_batches_that_no_consumer_needs_any_more_are_forgotten():
    probe, now = make_client(), read_now()
    for days in (0, 7, 9):
        IngestBatch.objects.create(
            client=probe, received_at=now - timedelta(days=days), stored=1, duplicate=0, rejected=0
        )
    prepare_storage(now)
    assert IngestBatch.objects.count() == 2
