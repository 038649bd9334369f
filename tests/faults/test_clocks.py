"""Clocks that jump, on the hosts that measure and on the server: row 9 of the matrix."""

import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from streamswarm_agent.wire.times import parse_time
from tests.faults.clocks import MISSING, make_clock
from tests.faults.line import run_line
from tests.faults.oracle import LONG_AGO, Database, compare, format_moment
from tests.faults.refusals import list_refused
from tests.faults.rounds import RUN_SECONDS, SETTINGS, create_tests
from tests.flows.agents import enrol_host
from tests.flows.api_user import become_admin
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

HOUR, TEN_YEARS = 3_600, 10 * 365 * 86_400
HOST_STEPS, SERVER_STEPS = (HOUR, -HOUR, TEN_YEARS, 0), (HOUR, -HOUR, 0)
WAIT_SECONDS = 120
LEAST_LINES = 8
OFFSET_ERROR_SECONDS = 5.0  # generous: half the time on the road of a busy machine
RUN_TIMES = (
    "SELECT result.started_at, result.finished_at FROM tests_result AS result"
    " WHERE result.outcome = 'completed' AND result.received_at >= {mark}"
)


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
        yield Path(name)


@pytest.fixture
def clock(folder):
    found = make_clock(folder / "clock")
    if found is None:
        pytest.skip(MISSING)
    return found


@contextmanager
def run_host(folder, url, admin, server):
    """An agent of a new host, not started yet, with tests of its own."""
    host = enrol_host(folder / "host", url, admin.issue_enrolment_token(), folder.name)
    create_tests(admin, host, server=server)
    try:
        yield host
    finally:
        host.end()


def wait_for_lines(host, count, beginning=""):
    """Until so many more lines of that kind are in the ledger."""
    before = len(list_lines(host, beginning))
    wait_until(
        lambda: len(list_lines(host, beginning)) >= before + count,
        seconds=WAIT_SECONDS,
        what="measuring",
    )


def list_lines(host, beginning=""):
    return [line for line in host.read_ledger() if line.startswith(beginning)]


def read_moments(lines):
    return [parse_time(line.rpartition(" ")[2]) for line in lines if line.startswith("frame ")]


def wait_for_arrival(host, server):
    """The ledger so far, once all of it is stored, or refused and kept aside."""
    ledger = host.read_ledger()
    wait_until(
        lambda: not judge(host, server, ledger).lost - list_refused(host).keys(),
        seconds=WAIT_SECONDS,
        what="the arrival of everything",
    )
    return ledger


def judge(host, server, ledger):
    """The verdict on these lines; what was measured after them is not looked at."""
    stored = Database.of(server.environment).list_measurements(host.client_id)
    later = set(host.read_ledger()) - set(ledger)
    return compare(ledger, (line for line in stored if line not in later))


def test_a_hosts_clock_that_jumps_moves_no_time_and_doubles_nothing(
    server, admin, folder, clock, fault_journal
):
    begun_at = time.time()
    with run_host(folder, server.base_url, admin, server) as host:
        host.start(clock.environment)
        wait_for_lines(host, 1, "result ")
        for step in HOST_STEPS:
            jumped_at = time.monotonic()
            clock.step(step)
            wait_for_lines(host, LEAST_LINES)
        wait_for_lines(host, 1, "result ")
        ledger = wait_for_arrival(host, server)
        recovery_seconds = time.monotonic() - jumped_at
        host.end()
        verdict, moments = judge(host, server, ledger), read_moments(ledger)
    fault_journal.record(
        9,
        "a host's clock jumps",
        verdict,
        runs=len(HOST_STEPS),
        recovery_seconds=recovery_seconds,
    )
    assert verdict.is_exactly_once, verdict
    assert begun_at - OFFSET_ERROR_SECONDS < min(moments)
    assert max(moments) < time.time() + OFFSET_ERROR_SECONDS
    durations = list_durations(server)
    assert durations
    assert max(durations) < WAIT_SECONDS
    assert min(durations) >= RUN_SECONDS - 1


def list_durations(server):
    rows = Database.of(server.environment).select(RUN_TIMES, LONG_AGO)
    return [
        parse_time(format_moment(finished_at)) - parse_time(format_moment(started_at))
        for started_at, finished_at in rows
    ]


@pytest.mark.parametrize("step", [pytest.param(HOUR, marks=pytest.mark.repeats), -HOUR, TEN_YEARS])
def test_what_a_host_measures_by_a_wrong_clock_before_it_meets_the_server_is_not_lost(
    server, admin, folder, clock, step, fault_journal
):
    """A host that never heard the server's time can only believe its own clock."""
    with (
        run_line(server.site.port) as line,
        run_host(folder, line.url, admin, server) as host,
    ):
        line.is_refusing = True
        clock.step(step)
        host.start(clock.environment)
        wait_for_lines(host, LEAST_LINES, "frame ")
        line.restore()
        begin = time.monotonic()
        wait_for_arrival(host, server)
        wait_until(
            lambda: "heartbeat_works_again" in host.read_log(),
            seconds=WAIT_SECONDS,
            what="an exchange of clocks",
        )
        met_at = time.time()
        wait_for_lines(host, LEAST_LINES, "frame ")
        ledger = wait_for_arrival(host, server)
        recovery_seconds = time.monotonic() - begin
        host.end()
        verdict, refused = judge(host, server, ledger), list_refused(host)
        moments = read_moments(ledger[-LEAST_LINES // 2 :])
    fault_journal.record(
        9,
        "a host's clock is wrong",
        verdict,
        told=refused.keys(),
        recovery_seconds=recovery_seconds,
    )
    assert verdict.lost == refused.keys() & set(ledger)
    assert not verdict.doubled
    assert not verdict.unlisted
    assert set(refused.values()) == ({"in_future"} if step == TEN_YEARS else set())
    assert min(moments) > met_at - OFFSET_ERROR_SECONDS  # right as soon as the server was met
    assert max(moments) < time.time() + OFFSET_ERROR_SECONDS


def test_a_servers_clock_that_jumps_loses_and_doubles_nothing(
    server, admin, folder, clock, fault_journal
):
    web = server.children["web"]
    sound = web.child
    with run_host(folder, server.base_url, admin, server) as host:
        host.start()
        wait_for_lines(host, 1, "result ")
        web.stop()
        web.child = replace(sound, environment={**sound.environment, **clock.environment})
        try:
            web.start()
            for step in SERVER_STEPS:
                jumped_at = time.monotonic()
                clock.step(step)
                wait_for_lines(host, LEAST_LINES)
        finally:
            web.stop()
            web.child = sound
            web.start()
        wait_for_lines(host, LEAST_LINES)
        ledger = wait_for_arrival(host, server)
        recovery_seconds = time.monotonic() - jumped_at
        host.end()
        verdict = judge(host, server, ledger)
    fault_journal.record(
        9,
        "the server's clock jumps",
        verdict,
        runs=len(SERVER_STEPS),
        recovery_seconds=recovery_seconds,
    )
    assert verdict.is_exactly_once, verdict
