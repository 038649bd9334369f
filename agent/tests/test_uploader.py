import asyncio
import itertools
import os
import threading
from uuid import uuid4

import pytest

from agent.tests.answering_server import LostAnswer, Refusal, Rejection
from agent.tests.steered_clock import SteeredClock
from streamswarm_agent.collectors.base import CollectedFrame, Collection
from streamswarm_agent.errors import CallFailed, CallRefused
from streamswarm_agent.probes.base import Sample
from streamswarm_agent.runtime.repetition import repeat_call
from streamswarm_agent.runtime.uploader import Uploader
from streamswarm_agent.wire.messages import RecordsAnswer

STREAM_SECONDS = 1.0
IDLE_SECONDS = 10.0


async def measure(kept, count=1):
    for number in range(count):
        frame = CollectedFrame("host", "", {"system.uptime": float(number)})
        await kept.recorder.record_collection(Collection(frames=(frame,)))


def values(server):
    return [record["data"]["values"][0] for record in server.stored_of("frame")]


async def test_what_is_measured_is_stored_once_and_leaves_the_spool(server, kept, uploader):
    await measure(kept, 3)
    await uploader.flush()
    assert values(server) == [0, 1, 2]
    assert kept.spool.depth == 0
    assert server.violations == []
    assert uploader.last_duration_seconds is not None


async def test_nothing_is_sent_when_nothing_waits(server, uploader):
    await uploader.flush()
    assert server.requests == []


async def test_a_batch_that_was_stored_but_never_answered_is_stored_once(server, kept, uploader):
    await measure(kept, 4)
    server.misbehave("records", LostAnswer())
    with pytest.raises(CallFailed):
        await uploader.flush()
    assert kept.spool.depth == 4
    await uploader.flush()
    assert kept.spool.depth == 0
    assert len(server.stored) == 4
    assert len(server.duplicates) == 4


async def test_after_a_failure_what_is_new_goes_before_what_is_old(server, kept, uploader):
    await measure(kept, 2)
    server.misbehave("records", Refusal(503, "busy", {"Retry-After": "1"}))
    with pytest.raises(CallRefused):
        await uploader.flush()
    await kept.recorder.record_collection(
        Collection(frames=(CollectedFrame("host", "", {"system.uptime": 9.0}),))
    )
    await uploader.flush()
    assert values(server) == [9, 1, 0]


async def test_a_flush_sends_one_batch_of_the_backlog_and_asks_for_another(server, kept, uploader):
    frames = tuple(CollectedFrame("host", "", {"system.uptime": 1.0}) for _ in range(1100))
    await kept.recorder.record_collection(Collection(frames=frames))
    kept.spool.demote_live()
    await uploader.flush()
    assert server.batch_sizes() == [500]
    assert kept.urgent.is_set()
    await uploader.flush()
    await uploader.flush()
    assert server.batch_sizes() == [500, 500, 100]


async def test_live_records_without_end_leave_the_backlog_its_turn(server, kept, client, settings):
    saving = Uploader(
        kept.spool, kept.thread, client, settings=settings, clock=kept.clock, wake=kept.urgent,
        read_batch_records=lambda: 2,
    )  # fmt: skip
    await measure(kept, 2)
    kept.spool.demote_live()
    send_plainly = client.send_records

    async def send_and_measure(body):
        await measure(kept, 2)
        return await send_plainly(body)

    await measure(kept, 2)
    client.send_records = send_and_measure
    await saving.flush()
    assert {0.0, 1.0} <= set(values(server))
    assert kept.urgent.is_set()


async def test_a_backlog_is_sent_at_a_limited_rate(server, kept, uploader, clock):
    frames = tuple(CollectedFrame("host", "", {"system.uptime": 1.0}) for _ in range(2600))
    await kept.recorder.record_collection(Collection(frames=frames))
    kept.spool.demote_live()
    begin = clock.monotonic()
    while kept.spool.depth:
        await uploader.flush_paced()
    assert max(server.batch_sizes()) <= 500
    assert clock.monotonic() - begin >= 5 * STREAM_SECONDS


@pytest.mark.parametrize("status", [429, 503, 507])
async def test_uploads_come_back_when_the_server_said_and_never_sooner(
    server, kept, uploader, clock, status
):
    await measure(kept, 2)
    server.misbehave("records", *[Refusal(status, "busy", {"Retry-After": "20"})] * 3)
    await run_uploads(uploader, clock, asyncio.Event(), flushes=5)
    waits = [seconds for seconds in clock.slept if seconds >= 20]
    assert len(waits) == 3
    assert all(20 <= seconds <= 30 for seconds in waits)
    assert len(set(waits)) == 3
    assert sorted(values(server)) == [0, 1]


class PatientClock(SteeredClock):
    """Moves only for a sleep that nobody cuts short."""

    async def sleep(self, seconds):
        self.slept.append(seconds)
        for _turn in range(10):
            await asyncio.sleep(0)
        self.advance(seconds)


async def run_uploads(uploader, clock, wake, *, flushes):
    left = iter(range(flushes))

    async def flush():
        if next(left, None) is None:
            raise asyncio.CancelledError
        await uploader.flush_paced()

    with pytest.raises(asyncio.CancelledError):
        await repeat_call(
            "upload", flush, period_seconds=lambda: IDLE_SECONDS, wake=wake, clock=clock
        )


async def test_without_a_run_uploads_wait_ten_seconds(kept, uploader, clock):
    begin = clock.monotonic()
    await run_uploads(uploader, clock, asyncio.Event(), flushes=4)
    assert set(clock.slept[1::2]) == {IDLE_SECONDS}
    assert clock.monotonic() - begin >= 3 * IDLE_SECONDS


async def test_while_a_run_streams_uploads_wait_a_second_at_most(server, kept, client, settings):
    """A sample wakes the upload, which keeps a second's distance to the one before."""
    clock = PatientClock()
    streaming = Uploader(
        kept.spool, kept.thread, client, settings=settings, clock=clock, wake=kept.urgent
    )
    send_plainly = client.send_records
    sent_at = []

    async def send_and_sample(body):
        sent_at.append(clock.monotonic())
        await kept.recorder.record_sample(
            str(uuid4()), str(uuid4()), Sample({"net.rtt.median": 0.01})
        )
        return await send_plainly(body)

    await measure(kept)
    client.send_records = send_and_sample
    await run_uploads(streaming, clock, kept.urgent, flushes=5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(sent_at)]
    assert STREAM_SECONDS in pauses
    assert max(pauses) <= STREAM_SECONDS


async def test_measuring_goes_on_while_an_upload_hangs(server, kept, uploader):
    has_come, may_answer = threading.Event(), threading.Event()
    answer_plainly = server._answer_records

    def hang(*args):
        has_come.set()
        may_answer.wait(30)
        return answer_plainly(*args)

    server._answer_records = hang
    await measure(kept)
    upload = asyncio.create_task(uploader.flush())
    try:
        assert await asyncio.to_thread(has_come.wait, 10)
        async with asyncio.timeout(10):
            await measure(kept, 50)
        assert not upload.done()
        assert kept.spool.depth == 51
    finally:
        may_answer.set()
    await upload
    assert kept.spool.depth == 0


async def test_a_rejected_record_harms_no_neighbour_and_is_not_sent_again(server, kept, uploader):
    await measure(kept, 3)
    server.misbehave("records", Rejection(places=(1,), code="out_of_range"))
    await uploader.flush()
    await uploader.flush()
    assert values(server) == [0, 2]
    assert server.batch_sizes() == [3]
    assert kept.spool.list_quarantine() == [("frame", "out_of_range: data: No.")]


async def test_a_batch_that_is_too_large_is_halved_until_it_passes(server, kept, uploader):
    await measure(kept, 20)
    server.largest_batch_records = 6
    await uploader.flush()
    assert sorted(values(server)) == list(range(20))
    assert kept.spool.depth == 0
    assert [size for size in server.batch_sizes() if size <= 6] == [5, 5, 5, 5]


async def test_a_batch_over_a_megabyte_is_never_sent(server, kept, uploader):
    for _ in range(4):
        await kept.recorder.record_inventory({"incompressible": os.urandom(600_000).hex()})
    server.violations = []
    await uploader.flush()
    sizes = [int(headers["Content-Length"]) for _, _, headers in server.requests]
    assert len(sizes) == 4
    assert max(sizes) <= 1_000_000


async def test_one_poisonous_record_is_moved_aside_and_the_rest_stored(server, kept, uploader):
    await measure(kept, 8)

    def refuse_poison(body, *args):
        if any(record["data"]["values"] == [5.0] for record in body["records"]):
            return 400, {"code": "malformed_batch", "detail": "No.", "data": {}}, {}
        return original(body, *args)

    original, server._answer_records = server._answer_records, refuse_poison
    await uploader.flush()
    assert sorted(values(server)) == [0, 1, 2, 3, 4, 6, 7]
    assert kept.spool.list_quarantine() == [("frame", "malformed_batch: No.")]


async def test_a_foreign_server_in_between_makes_nothing_be_thrown_away(server, kept, uploader):
    await measure(kept, 2)
    server._answer_records = lambda *_args: (400, {"error": "captive portal"}, {})
    with pytest.raises(CallRefused):
        await uploader.flush()
    assert kept.spool.depth == 2
    assert kept.spool.list_quarantine() == []


async def test_a_refused_key_keeps_everything(server, kept, uploader):
    await measure(kept, 2)
    server.misbehave("records", Refusal(401, "key_revoked"))
    with pytest.raises(CallRefused) as caught:
        await uploader.flush()
    assert caught.value.status == 401
    assert kept.spool.depth == 2


async def test_an_answer_that_settles_nothing_is_a_failure_and_no_endless_loop(
    server, kept, uploader
):
    await measure(kept, 2)
    empty = {"stored": [], "duplicate": [], "rejected": []}
    server._answer_records = lambda *_args: (200, empty, {})
    with pytest.raises(CallFailed, match="settled none"):
        await uploader.flush()
    assert len(server.bodies("records")) == 1


async def test_flushes_keep_the_streaming_interval(kept, uploader, clock):
    await uploader.flush_paced()
    clock.advance(0.25)
    await uploader.flush_paced()
    clock.advance(5)
    await uploader.flush_paced()
    assert clock.slept == [0.0, 0.75, 0.0]


async def test_the_age_of_the_backlog_is_known_after_a_flush(server, kept, uploader):
    begin = kept.server_time.now()
    await measure(kept)
    server.misbehave("records", LostAnswer())
    with pytest.raises(CallFailed):
        await uploader.flush()
    assert uploader.oldest_at == pytest.approx(begin, abs=1)
    await uploader.flush()
    assert uploader.oldest_at is None


async def test_a_hundred_uploads_of_one_batch_store_it_once(server, kept, uploader, client):
    await measure(kept, 5)
    records = kept.spool.list_live(records=500, size_bytes=1_000_000)
    body = uploader._encode(records)
    answers = await asyncio.gather(*(client.send_records(body) for _ in range(100)))
    assert all(isinstance(answer, RecordsAnswer) for answer in answers)
    assert sum(len(answer.stored) for answer in answers) == len(server.stored) == 5


async def test_a_step_of_saving_makes_the_batches_smaller(server, kept, client, settings):
    saving = Uploader(
        kept.spool, kept.thread, client, settings=settings, clock=kept.clock, wake=kept.urgent,
        read_batch_records=lambda: 2,
    )  # fmt: skip
    await measure(kept, 5)
    await saving.flush()
    assert server.batch_sizes() == [2, 2, 1]
