"""Frames stored as an upload stores them."""

from datetime import UTC, datetime, timedelta

from apps.core.clock import read_now
from apps.metrics.models import Source
from apps.metrics.services import KnownLayout, NewFrame, hash_layout, know_layout, record_frames
from apps.metrics.writers import ensure_partitions
from tests.factories.clients import make_client

# Midnight, so that tests know where days begin.
MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
KEY = "system.cpu.utilization"
OTHER_KEY = "net.rtt.median"
COUNTER = "system.network.io{direction=receive}"


def make_partitions():
    """Those of the month of MIDNIGHT; before any row is stored, which PostgreSQL insists on."""
    for days in (3, 14, 25):
        ensure_partitions(MIDNIGHT + timedelta(days=days))


def make_source(name="probe-1"):
    return Source.objects.create(client=make_client(name), kind="host")


def store_frames(source, rows, keys=(KEY,), first_seq=0):
    """The keys of the rows (moment, values) that were new; values may be one number."""
    known = know_layout(hash_layout(keys), list(keys))
    frames = [
        make_frame(source, known, at, first_seq + number, values)
        for number, (at, values) in enumerate(rows)
    ]
    return record_frames(client_id=source.client_id, frames=frames, received_at=read_now())


def make_frame(source, layout: KnownLayout, at, seq, values):
    return NewFrame(
        source_id=source.id,
        source_kind=source.kind,
        source_subject=source.subject,
        at=at,
        seq=seq,
        layout=layout,
        values=tuple(values) if isinstance(values, tuple | list) else (values,),
        absent=None,
    )
