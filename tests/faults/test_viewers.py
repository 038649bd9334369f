"""Pages that do not read: memory stays, the others miss nothing, who wakes up knows of a gap."""

import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import psutil
import pytest

from apps.core.clock import format_moment
from tests.factories.wire import batch, frame
from tests.faults.oracle import compare
from tests.flows.agents import enrol_host
from tests.servers.audience import Seat, make_cookies, seat_audience
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

PAGES, PAGES_OF_A_USER = 60, 20
DOZING, WAKING = 6, 3
FRAMES_AT_ONCE = 50
# Some 11 kB each: half of them fill all that may wait for a page, others what is held back for it.
UPLOADS_ASLEEP, UPLOADS_AWAKE = 30, 8
PAUSE_SECONDS = 0.2
GROWTH_BYTES = 60_000_000
CUT_OFF_SECONDS = 90
TIMEOUT_SECONDS = 60
KEYS = ("system.cpu.utilization", "system.cpu.load_average.1m", "system.memory.utilization")


@pytest.fixture(scope="module")
def web():
    """A server without anything that works in the background."""
    with run_stack("sqlite", with_worker=False, with_beat=False) as stack:
        yield stack


@pytest.fixture
def probe(web, tmp_path):
    """An enrolled agent, for whom the test speaks."""
    return enrol_host(tmp_path / "probe", web.base_url, web.issue_token(), "probe")


def seat_pages(web, probe):
    """Those that doze first, of which some will wake up."""
    cookies = make_cookies(web, PAGES // PAGES_OF_A_USER)
    topics = ("overview", f"client:{probe.client_id}")
    return [
        Seat(
            port=web.site.port,
            cookie=cookies[number % len(cookies)],
            topics=topics,
            is_dozing=number < DOZING,
            is_waking=number < WAKING,
        )
        for number in range(PAGES)
    ]


def upload(web, probe, times):
    """The moments of the frames sent, as pages see them."""
    headers = {"Authorization": f"Agent {probe.identity.key}"}
    moments = []
    with httpx.Client(base_url=web.base_url, headers=headers, trust_env=False) as http:
        for _time in range(times):
            begin = datetime.now(UTC)
            # A moment of its own for each, by which it is known again.
            now = [begin + timedelta(microseconds=number) for number in range(FRAMES_AT_ONCE)]
            frames = [frame((0.1, 0.2, 0.3), keys=KEYS, at=format_moment(at)) for at in now]
            body = batch(*frames, keys=(KEYS,))
            answer = http.post("/api/v1/agent/records", json=body, timeout=TIMEOUT_SECONDS)
            assert answer.status_code == 200, answer.text
            moments += [at.timestamp() for at in now]
            threading.Event().wait(PAUSE_SECONDS)
    return moments


def count_sockets(process):
    connections = process.net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in connections)


def list_moments(sighting):
    return [moment for batch in sighting.batches for moment in batch.measured_at]


def count_gaps(sighting):
    numbers = [batch.seq for batch in sighting.batches]
    assert numbers == sorted(set(numbers))
    return sum(after != before + 1 for before, after in zip([0, *numbers], numbers, strict=False))


def judge_readers(sightings, sent):
    """The verdict on what was sent, as each page that read on has seen it."""
    pages = range(len(sightings))
    seen = [f"{page} {at}" for page in pages for at in list_moments(sightings[page])]
    return compare({f"{page} {at}" for page in pages for at in sent}, seen, name=str)


def test_pages_that_do_not_read_cost_the_server_and_the_others_nothing(web, probe, fault_journal):
    process = psutil.Process(web.children["web"].process_id)
    upload(web, probe, 1)
    resident_bytes = process.memory_info().rss
    with seat_audience(seat_pages(web, probe)) as audience:
        sent = upload(web, probe, UPLOADS_ASLEEP)
        audience.wake()
        begin = time.monotonic()
        sent += upload(web, probe, UPLOADS_AWAKE)
        wait_until(
            lambda: count_sockets(process) <= PAGES - DOZING + WAKING,
            seconds=CUT_OFF_SECONDS,
            what="the end of the sockets that nobody reads",
        )
        recovery_seconds = time.monotonic() - begin
        sightings = audience.leave()
    fault_journal.record(
        16,
        f"{DOZING} of {PAGES} pages doze",
        judge_readers(sightings[DOZING:], sent),
        runs=DOZING,
        recovery_seconds=recovery_seconds,
    )
    assert process.memory_info().rss - resident_bytes < GROWTH_BYTES
    assert [reader.close_code for reader in sightings[DOZING:]] == [None] * (PAGES - DOZING)
    for reader in sightings[DOZING:]:
        assert list_moments(reader) == sent
        assert count_gaps(reader) == 0
    for woken in sightings[:WAKING]:
        assert woken.close_code is None
        assert count_gaps(woken) >= 1
        assert list_moments(woken)[-FRAMES_AT_ONCE:] == sent[-FRAMES_AT_ONCE:]
