"""A batch of nothing but frames, stored at once: the same on both databases."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection

from apps.clients.models import Client
from apps.core.clock import read_now
from apps.metrics.models import Arrival, Frame, IngestBatch, Latest, Source
from apps.metrics.services import NewFrame, hash_layout, know_layout, prepare_storage, record_upload
from apps.metrics.writers import BatchRow, uploads
from tests.factories.clients import make_client

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = ("system.cpu.utilization", "system.cpu.load_average.1m")


@pytest.fixture(autouse=True)
def partitions():
    prepare_storage(read_now())


@pytest.fixture
def sources():
    probe = make_client()
    return [Source.objects.create(client=probe, kind=kind) for kind in ("host", "agent")]


def frame(source, at, seq, values=(0.25, None)):
    return NewFrame(
        source_id=source.id,
        source_kind=source.kind,
        source_subject="",
        at=at,
        seq=seq,
        layout=know_layout(hash_layout(KEYS), KEYS),
        values=values,
        absent={KEYS[1]: "U"} if None in values else None,
    )


def store(*frames, rejected=0):
    client_id = Source.objects.get(id=frames[0].source_id).client_id
    numbers = sorted({one.source_id for one in frames})
    batch = BatchRow(client_id, read_now(), rejected, numbers)
    return record_upload(batch=batch, frames=frames)


def list_batches():
    return list(IngestBatch.objects.order_by("received_at").values_list("stored", "duplicate"))


def test_all_traces_of_an_upload_are_there(sources):
    host, agent = sources
    now = read_now()
    given = [frame(host, now - timedelta(seconds=age), age) for age in (20, 10)]
    given.append(frame(agent, now, 7, (1.5, 2.5)))
    assert store(*given) == {(one.source_id, one.at, one.seq) for one in given}
    stored = {(row.source_id, row.seq): row for row in Frame.objects.all()}
    assert stored[host.id, 20].values == [0.25, None]
    assert stored[host.id, 20].absent == {KEYS[1]: "U"}
    assert stored[agent.id, 7].values == [1.5, 2.5]
    assert stored[agent.id, 7].absent is None
    assert set(Latest.objects.values_list("source_id", "seq")) == {(host.id, 10), (agent.id, 7)}
    assert set(Arrival.objects.get().slots) == {str(host.id), str(agent.id)}
    batch = IngestBatch.objects.get()
    assert (batch.stored, batch.duplicate, batch.rejected) == (3, 0, 0)
    assert (batch.client_id, batch.sources) == (host.client_id, [host.id, agent.id])


def test_what_was_stored_before_counts_as_a_duplicate_and_changes_nothing(sources):
    host, _agent = sources
    now = read_now()
    old = frame(host, now, 2)
    store(old)
    new = frame(host, now - timedelta(seconds=1), 1)
    assert store(frame(host, now, 2, (9.0, 9.0)), new, new) == {(host.id, new.at, 1)}
    assert store(old) == set()
    assert list_batches() == [(1, 0), (1, 2), (0, 1)]
    assert Frame.objects.get(seq=2).values == [0.25, None]
    assert Latest.objects.get().seq == 2
    assert Arrival.objects.count() == 2


def test_nothing_is_stored_of_a_client_that_is_gone(sources):
    host, _agent = sources
    late = frame(host, read_now(), 1)
    batch = BatchRow(host.client_id, read_now(), 0, [host.id])
    Client.objects.filter(id=host.client_id).delete()
    with pytest.raises(IntegrityError):
        record_upload(batch=batch, frames=[late])
    assert not Frame.objects.exists()
    assert not Arrival.objects.exists()
    assert not IngestBatch.objects.exists()


@pytest.mark.parametrize("is_lost", [True, False])
def test_behind_a_pool_of_transactions_the_statement_is_sent_whole(sources, monkeypatch, is_lost):
    """There a session holds what another caller prepared, or not what this one did."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has neither sessions nor pools")
    host, _agent = sources
    preparation = uploads.Preparation()
    monkeypatch.setattr(uploads, "PREPARATION", preparation)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(uploads.PREPARE)
        if is_lost:
            preparation._prepared.add(connection.connection)
            cursor.execute(f"DEALLOCATE {uploads.NAME}")
    now = read_now()
    store(frame(host, now, 1))
    store(frame(host, now, 1), frame(host, now, 2))
    assert preparation._is_pooled
    assert list_batches() == [(1, 0), (1, 1)]
