"""A spool that the disk has damaged, or may not be written: row 17 of the matrix."""

import operator
import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.faults.disks import mount_disk
from tests.faults.line import run_line
from tests.faults.oracle import Database, compare
from tests.faults.refusals import list_refused
from tests.faults.rounds import SETTINGS, create_tests
from tests.flows.agents import AgentHost, enrol_host
from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

WAIT_SECONDS = 120
LEAST_LINES = 40
LATER_LINES = 8
STARTS = 3
FLIPPED_BITS = 40
FIRST_BIT = 100 * 8  # behind the file's header
# Of one record; a measurement of another moment differs in more.
MOST_FLIPPED_CHARACTERS = 2
DISK_MEGABYTES = 8


@pytest.fixture(scope="module")
def server():
    with run_stack("sqlite", settings=SETTINGS) as stack:
        yield stack


@pytest.fixture(scope="module")
def admin(server):
    return become_admin(server)


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as name:
        yield Path(name) / "host"


@pytest.fixture
def far_host(server, admin, folder):
    """A host behind a line that is cut, whose measurements all wait in its spool."""
    with run_line(server.site.port) as line:
        host = enrol_host(folder, line.url, admin.issue_enrolment_token(), folder.parent.name)
        create_tests(admin, host, server=server)
        line.is_refusing = True
        host.start()
        try:
            wait_for_lines(host, LEAST_LINES)
            host.stop(9)
            yield host, line
        finally:
            host.end()


def wait_for_lines(host, count):
    before = len(host.read_ledger())
    wait_until(
        lambda: len(host.read_ledger()) >= before + count, seconds=WAIT_SECONDS, what="measuring"
    )


def collect_into_one_file(path):
    """Moves what the write-ahead log holds into the database itself; its size and a page's."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    return path.stat().st_size, page_bytes


def truncate(path):
    """The last fifth of the pages is gone."""
    size_bytes, page_bytes = collect_into_one_file(path)
    kept_pages = size_bytes * 4 // 5 // page_bytes
    path.write_bytes(path.read_bytes()[: kept_pages * page_bytes])


def flip_bits(path):
    collect_into_one_file(path)
    content = bytearray(path.read_bytes())
    for position in random.sample(range(FIRST_BIT, len(content) * 8), FLIPPED_BITS):
        place, bit = divmod(position, 8)
        content[place] ^= 1 << bit
    path.write_bytes(content)


def overwrite(path):
    collect_into_one_file(path)
    path.write_bytes(b"SQLite format 3\x00" + os.urandom(8_000))


def is_damaged(line, before):
    """Whether it is a line of before in which bits were flipped: nobody takes such a record."""
    return any(
        len(line) == len(old) and sum(map(operator.ne, line, old)) <= MOST_FLIPPED_CHARACTERS
        for old in before
    )


@pytest.mark.parametrize(
    ("damage", "is_partly_readable", "may_change_text"),
    [
        (truncate, True, False),
        (flip_bits, False, True),
        # agent/tests/test_spool.py opens files in which nothing can be read.
        pytest.param(overwrite, False, False, marks=pytest.mark.repeats),
    ],
)
def test_an_agent_with_a_damaged_spool_begins_anew_and_sends_what_it_can_read(
    server, far_host, damage, is_partly_readable, may_change_text, fault_journal
):
    host, line = far_host
    before = host.read_ledger()
    damage(host.state_folder / "spool.sqlite3")
    line.restore()
    begin = time.monotonic()
    run_until_sound(host)
    recovery_seconds = time.monotonic() - begin
    ledger = host.read_ledger()
    verdict = compare(ledger, list_stored(server, host))
    # The agent says so when its file was damaged; what it held is then given up. What it could
    # still read, bits flipped or not, it has written to its ledger again.
    told = set(before) if "spool_corrupt" in host.read_log() else set()
    told |= list_refused(host).keys()
    fault_journal.record(
        17, f"spool: {damage.__name__}", verdict, told=told, recovery_seconds=recovery_seconds
    )
    since = {line for line in verdict.lost - set(before) if not is_damaged(line, before)}
    assert not since  # everything measured later is stored
    assert not verdict.doubled
    if not may_change_text:
        assert not verdict.unlisted
        assert "spool_corrupt" in host.read_log()
        assert list(host.state_folder.glob("spool.corrupt-*"))
    if is_partly_readable:
        assert "spool_salvaged" in host.read_log()
        assert len(verdict.lost) < len(before)


def has_measured_or_ended(host, expected_lines):
    return host.process.poll() is not None or len(host.read_ledger()) >= expected_lines


def run_until_sound(host):
    """Damage may show in use only: the agent then leaves with 1, to begin with another file."""
    for _ in range(STARTS):
        expected_lines = len(host.read_ledger()) + LATER_LINES
        host.start()
        wait_until(
            partial(has_measured_or_ended, host, expected_lines),
            seconds=WAIT_SECONDS,
            what="measuring",
        )
        if host.stop() == 0:
            return
    raise AssertionError(host.read_log()[-4000:])


def list_stored(server, host):
    return Database.of(server.environment).list_measurements(host.client_id)


def test_an_agent_that_may_write_nothing_says_so_and_loses_nothing(
    server, admin, folder, fault_journal
):
    try:
        with mount_disk(DISK_MEGABYTES) as disk, run_line(server.site.port) as line:
            host = AgentHost(folder)
            folder.mkdir()
            (disk.folder / "state").mkdir(mode=0o700)
            host.state_folder.symlink_to(disk.folder / "state")
            token = admin.issue_enrolment_token()
            assert host.enrol(line.url, token, "read-only-host").returncode == 0
            line.is_refusing = True
            host.start()
            wait_for_lines(host, LATER_LINES)
            host.stop(9)
            with disk.be_read_only():
                host.start()
                assert host.process.wait(WAIT_SECONDS) != 0
                assert "choose another with --state-dir" in host.read_log()
                assert "Traceback" not in host.read_log()
            line.restore()
            begin = time.monotonic()
            host.start()
            wait_for_lines(host, LATER_LINES)
            recovery_seconds = time.monotonic() - begin
            assert host.stop() == 0
            verdict = compare(host.read_ledger(), list_stored(server, host))
    except PermissionError as error:
        pytest.skip(str(error))
    fault_journal.record(17, "read-only spool", verdict, recovery_seconds=recovery_seconds)
    assert verdict.is_exactly_once, verdict
