"""The server's disk fills while a page is open: it says so by itself, and when there is room.

Uploads are refused meanwhile, agents keep what they measure, and in the end all is stored once.
"""

import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from threading import Event

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.factories import wire
from tests.faults.disks import mount_disk
from tests.faults.oracle import Database, compare
from tests.faults.rounds import SETTINGS
from tests.faults.uploads import judge_uploads, keep_uploading
from tests.flows.agents import enrol_host
from tests.flows.api_user import NAME, PASSWORD, become_admin
from tests.servers.postgresql import MISSING, find_binaries, start_cluster
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MEGABYTE = 1_000_000
DISK_MEGABYTES = {"sqlite": 80, "postgresql": 160}
# SQLite's volume is watched: below the first uploads are refused and people's changes are not.
RESERVE_MEGABYTES, LEFT_MEGABYTES = 32, 24
PACE_SECONDS = 0.1
BATCH_FRAMES = 50
WAIT_SECONDS = 120
BANNER_MILLISECONDS = 60_000
FULL = 507
SYSTEMS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
KEEP_MARK = "document.body.dataset.kept = 'yes'"
PAGES = ("/", "/clients/", "/tests/", "/storage/")


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def kind(request):
    if request.param == "postgresql" and find_binaries() is None:
        pytest.skip(MISSING)
    return request.param


@pytest.fixture(scope="module")
def disk(kind):
    with ExitStack() as cleanup:
        try:
            yield cleanup.enter_context(mount_disk(DISK_MEGABYTES[kind]))
        except PermissionError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def site(kind, disk, aside):
    """A server without worker whose database lies on the small disk."""
    settings = {**SETTINGS, "SWARM_LEAST_FREE_MEGABYTES": str(RESERVE_MEGABYTES)}
    with ExitStack() as cleanup:
        cleanup.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = str(disk.folder)
        cluster = None
        if kind == "postgresql":
            cluster = aside(start_cluster)
            cleanup.callback(aside, cluster.stop)
            tempfile.tempdir = None
        stack = run_stack(
            kind, postgresql=cluster, settings=settings, with_worker=False, with_beat=False
        )
        running = aside(stack.__enter__)
        cleanup.callback(aside, stack.__exit__, None, None, None)
        tempfile.tempdir = None
        yield running


def leave_megabytes(disk, megabytes):
    """Fills the disk up to the last so many."""
    disk.fill()
    size = disk.filler.stat().st_size
    with disk.filler.open("r+b") as file:
        file.truncate(size - megabytes * MEGABYTE)


def make_paced_frames():
    Event().wait(PACE_SECONDS)
    return [wire.frame() for _ in range(BATCH_FRAMES)], []


def expect_banner(page, *words):
    banner = page.locator("#storage-fault .alert")
    for word in words:
        expect(banner).to_contain_text(word, timeout=BANNER_MILLISECONDS)
    expect(page.locator("body")).to_have_attribute("data-kept", "yes")


def count_refused(uploads):
    return uploads.statuses[FULL]


def wait_until_refused(uploads):
    refused = count_refused(uploads)
    wait_until(lambda: count_refused(uploads) > refused, seconds=WAIT_SECONDS, what="a refusal")


def check_what_still_works(visitor, host):
    """Pages can be read, and the agent goes on measuring though its uploads are refused."""
    for path in PAGES:
        assert visitor.page.request.get(f"{visitor.base_url}{path}").ok, path
    wait_until(
        lambda: "upload_failed" in host.read_log(), seconds=WAIT_SECONDS, what="a refused agent"
    )
    measured = len(host.read_ledger())
    wait_until(
        lambda: len(host.read_ledger()) > measured, seconds=WAIT_SECONDS, what="measuring without"
    )


def judge_all(site, host, uploads):
    """The verdicts on the agent and on every sender, when all that was spooled has come."""
    # An agent may wait a minute or two, as it was told; a new one asks at once.
    host.stop(signal.SIGKILL)
    ledger = host.read_ledger()
    host.start()
    database = Database.of(site.environment)
    wait_until(
        lambda: len(host.read_ledger()) > len(ledger), seconds=WAIT_SECONDS, what="measuring"
    )
    with suppress(TimeoutError):
        wait_until(
            lambda: not compare(ledger, database.list_measurements(host.client_id)).lost,
            seconds=WAIT_SECONDS,
        )
    assert host.stop() == 0
    verdict = compare(host.read_ledger(), database.list_measurements(host.client_id))
    return [verdict, *judge_uploads(site, uploads)]


def test_a_page_tells_of_a_full_disk_while_it_is_full_and_nothing_is_lost(
    visitor, kind, site, disk, host_folder, fault_journal
):
    admin = become_admin(site)
    host = enrol_host(host_folder, site.base_url, admin.issue_enrolment_token(), "full-host")
    sign_in(visitor, NAME, PASSWORD)
    page = visitor.page
    page.evaluate(KEEP_MARK)
    expect(page.locator("#storage-fault .alert")).to_have_count(0)
    host.start()
    try:
        with keep_uploading(site, make_paced_frames) as uploads:
            struck = time.monotonic()
            if kind == "sqlite":
                leave_megabytes(disk, LEFT_MEGABYTES)
                expect_banner(page, "nearly full", "nothing new is stored since", "in reserve")
                admin.issue_enrolment_token()  # people's changes still find room
            disk.fill()
            expect_banner(page, "disk is full", "send it by themselves", "Free space on the disk")
            wait_until_refused(uploads)
            check_what_still_works(visitor, host)
            disk.free()
            expect(page.locator("#storage-fault .alert")).to_have_count(
                0, timeout=BANNER_MILLISECONDS
            )
            expect(page.locator("body")).to_have_attribute("data-kept", "yes")
            seconds = time.monotonic() - struck
        verdicts = judge_all(site, host, uploads)
        fault_journal.record(
            8,
            "disk full, seen in the browser",
            *verdicts,
            recovery_seconds=seconds,
            database=SYSTEMS[kind],
        )
        assert all(verdict.is_exactly_once for verdict in verdicts), verdicts
    finally:
        host.end()
