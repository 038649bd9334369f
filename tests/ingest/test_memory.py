"""What a server that is full of frames and batches does in small portions."""

import tracemalloc
from datetime import timedelta

import numpy as np
import pytest

from apps.core.clock import read_now
from apps.metrics.models import BatchMark, Frame, IngestBatch, Layout, Source
from apps.metrics.selectors import read_values
from apps.metrics.services import forget_batches, prepare_storage, retention
from tests.factories.clients import make_client

pytestmark = pytest.mark.django_db

FRAMES = 30_000
BYTES_PER_POINT = 16
# One fetch's rows, and the columns while they are sorted.
ROOM_BYTES = 3_000_000


def make_batches(ages_days):
    probe, now = make_client(), read_now()
    batches = [
        IngestBatch.objects.create(
            client=probe, received_at=now - timedelta(days=days), stored=1, duplicate=0, rejected=0
        )
        for days in ages_days
    ]
    for batch in batches:
        BatchMark.objects.create(batch=batch, consumer="judge")
    return now


def test_old_batches_are_forgotten_in_slices_the_oldest_first(monkeypatch):
    monkeypatch.setattr(retention, "BATCHES_PER_TRANSACTION", 2)
    now = make_batches([9, 13, 10, 12, 11, 1])
    before = now - timedelta(days=8)
    assert forget_batches(before) == 2
    assert min(IngestBatch.objects.values_list("received_at", flat=True)) == now - timedelta(11)
    assert [forget_batches(before) for _ in range(3)] == [2, 1, 0]
    assert IngestBatch.objects.count() == BatchMark.objects.count() == 1


def test_a_night_forgets_all_old_batches_however_many_slices_they_are(monkeypatch):
    monkeypatch.setattr(retention, "BATCHES_PER_TRANSACTION", 2)
    now = make_batches([9, 13, 10, 12, 11, 1])
    prepare_storage(now)
    assert IngestBatch.objects.get().received_at == now - timedelta(days=1)


def test_a_long_series_is_read_without_a_list_of_its_rows():
    source = Source.objects.create(client=make_client(), kind="host")
    layout = Layout.objects.create(hash="0" * 16, keys=["a"])
    start = read_now().replace(microsecond=0) - timedelta(seconds=FRAMES)
    Frame.objects.bulk_create(
        (
            Frame(
                source=source,
                at=start + timedelta(seconds=n),
                seq=n,
                layout=layout,
                values=(float(n),),
                received_at=start,
            )
            for n in range(FRAMES)
        ),
        batch_size=5000,
    )
    tracemalloc.start()
    try:
        at, values = read_values(source.id, "a", start, start + timedelta(seconds=FRAMES))
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(values, np.arange(FRAMES))
    assert at[0] == start.timestamp()
    assert np.all(np.diff(at) == 1)
    assert peak_bytes < 4 * FRAMES * BYTES_PER_POINT + ROOM_BYTES
