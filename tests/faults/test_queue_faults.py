"""Worker, beat and Redis killed, doubled, frozen, emptied: work goes on, and none of it twice."""

import os
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from apps.operations.liveness import WORKER_NAME, read_mark_age_seconds
from apps.operations.supervisor.programs import describe_beat, describe_worker
from tests.faults.oracle import LONG_AGO, Database, compare
from tests.faults.rounds import wait_for_verdict
from tests.flows.agents import enrol_host
from tests.flows.api_user import become_admin
from tests.jobs.journal import Journal
from tests.jobs.worker import HOLD, POISON, describe_test_worker
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

# How long a busy machine may take. What is promised (another attempt within 30 s of a worker's
# death, work within 10 s of Redis' return) is noted by `recovery_seconds` and not asserted.
WAIT_SECONDS = 120
RUNS_QUERY = (
    "SELECT assignment_id, schedule_revision, slot FROM tests_run"
    " WHERE slot IS NOT NULL AND start_at >= {mark}"
)


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def server(request):
    """A server whose worker knows the test work."""
    is_postgresql = request.param == "postgresql"
    if is_postgresql and find_binaries() is None:
        pytest.skip(MISSING)
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    settings = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "1"}
    with run_stack(
        request.param, postgresql=cluster, settings=settings, with_worker=False
    ) as stack:
        stack.start(describe_test_worker(describe_worker(stack.site)))
        # Its first mark says that it consumes; no fault may meet a worker that has yet to start.
        wait_until(
            lambda: read_mark_age_seconds(stack.var_dir, WORKER_NAME) is not None,
            seconds=WAIT_SECONDS,
            what="a worker that consumes",
        )
        yield stack


@pytest.fixture
def journal(server, tmp_path):
    return Journal(server, tmp_path / "journal")


@pytest.fixture(scope="module")
def admin(server):
    return become_admin(server)


@contextmanager
def measuring(server, admin):
    """A host whose agent measures without a pause, and writes down what it measured."""
    with ExitStack() as cleanup:
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="swarm-hosts-"))
        token = admin.issue_enrolment_token()
        host = enrol_host(Path(folder) / "host", server.base_url, token, Path(folder).name)
        cleanup.callback(host.end)
        admin.create_test(Path(folder).name, host.client_id)
        host.start()
        yield host


def count_frames(server, host):
    frames = Database.of(server.environment).list_frames()
    return sum(1 for owner, _line in frames if owner == host.client_id)


def judge_host(server, host):
    """The verdict on all that the host measured, after its agent's clean end."""
    assert host.stop() == 0
    database = Database.of(server.environment)
    ledger = host.read_ledger()
    return wait_for_verdict(
        lambda: compare(ledger, database.list_measurements(host.client_id)),
        lambda verdict: verdict.is_exactly_once,
        WAIT_SECONDS,
    )


def judge_jobs(journal, *keys):
    """The verdict on jobs: each of them must have come to its end once."""
    wanted = {f"end {key}" for key in keys}
    return compare(wanted, [line for line in journal.read() if line in wanted], name=str)


def wait_for_begin(journal, key, *, count=1):
    wait_until(
        lambda: len(journal.list_begun(key)) >= count, seconds=WAIT_SECONDS, what=f"attempt {count}"
    )


def wait_for_end(journal, *keys):
    wait_until(
        lambda: all(journal.count_ends(key) for key in keys), seconds=WAIT_SECONDS, what="the end"
    )
    wait_until(
        lambda: all(journal.read_job(key)[0] == "done" for key in keys),
        seconds=WAIT_SECONDS,
        what="jobs that are done",
    )


def has_pool(server):
    """Whether the worker's tasks run in processes of their own."""
    return bool(server.database_url)


@pytest.mark.parametrize(
    "victim", [pytest.param("parent", marks=pytest.mark.repeats("postgresql")), "child"]
)
def test_work_goes_on_after_its_worker_was_killed(server, journal, rounds, victim, fault_journal):
    if victim == "child" and not has_pool(server):
        pytest.skip("on SQLite the worker is one process")
    for number in range(1, rounds):
        key = f"{victim} {number}"
        journal.enqueue(HOLD, key)
        wait_for_begin(journal, key)
        (process_id,) = journal.list_begun(key)
        killed_at = time.monotonic()
        if victim == "parent":
            server.kill9("worker")
            server.restart("worker")
        else:
            os.kill(process_id, signal.SIGKILL)
        wait_for_begin(journal, key, count=2)
        recovery_seconds = time.monotonic() - killed_at
        journal.release()
        wait_for_end(journal, key)
        fault_journal.record(
            3,
            f"worker's {victim} killed",
            judge_jobs(journal, key),
            recovery_seconds=recovery_seconds,
        )
        assert journal.read_job(key) == ("done", 2, "")
        assert (len(journal.list_begun(key)), journal.count_ends(key)) == (2, 1)
        journal.path.with_name("release").unlink()


def test_a_job_that_kills_its_worker_is_given_up_after_three_times(server, journal, fault_journal):
    if not has_pool(server):
        pytest.skip("on SQLite the worker is one process, which only the supervisor starts again")
    begin = time.monotonic()
    journal.enqueue(POISON, "poison")
    wait_until(
        lambda: journal.read_job("poison")[0] == "dead",
        seconds=WAIT_SECONDS,
        what="the job to be given up",
    )
    assert len(journal.list_begun("poison")) == 3
    assert "3 times" in journal.read_job("poison")[2]
    journal.release()
    journal.enqueue(HOLD, "after the poison")
    wait_for_end(journal, "after the poison")
    fault_journal.record(
        3,
        "a job kills its worker",
        judge_jobs(journal, "after the poison"),
        runs=3,
        refused=1,
        recovery_seconds=time.monotonic() - begin,
    )


@pytest.mark.repeats("sqlite")
def test_two_beats_of_which_one_freezes_double_no_run_and_no_job(
    server, admin, journal, rounds, fault_journal
):
    keys = [f"both {number}" for number in range(10)]
    second = server.start(replace(describe_beat(server.site), name="second beat"))
    journal.release()
    try:
        with measuring(server, admin) as host:
            for beat in (server.children["beat"], second):
                beat.process.send_signal(signal.SIGSTOP)
                threading.Event().wait(rounds)
                beat.process.send_signal(signal.SIGCONT)
            thawed_at = time.monotonic()
            journal.enqueue(HOLD, *keys)
            wait_for_end(journal, *keys)
            recovery_seconds = time.monotonic() - thawed_at
            verdict = judge_host(server, host)
    finally:
        second.stop(signal.SIGKILL)
    begun = Counter(" ".join(line.split()[:-1]) for line in journal.read() if "begin" in line)
    assert begun == {f"begin {key}": 1 for key in keys}
    runs = [str(run) for run in Database.of(server.environment).select(RUNS_QUERY, LONG_AGO)]
    fault_journal.record(
        4,
        "two beats, each frozen",
        verdict,
        judge_jobs(journal, *keys),
        compare(runs, runs, name=str),
        runs=2,
        recovery_seconds=recovery_seconds,
    )
    assert verdict.is_exactly_once, verdict
    assert runs
    assert [run for run, count in Counter(runs).items() if count > 1] == []


@pytest.mark.repeats("sqlite")
def test_a_killed_beat_starts_again_and_work_flows(server, journal, fault_journal):
    killed_at = time.monotonic()
    server.kill9("beat")
    # The hint of this job is lost on the way; only the period finds it.
    journal.release()
    journal.enqueue(HOLD, "without a beat")
    server.restart("beat")
    wait_for_end(journal, "without a beat")
    fault_journal.record(
        4,
        "beat killed",
        judge_jobs(journal, "without a beat"),
        recovery_seconds=time.monotonic() - killed_at,
    )
    assert len(journal.list_begun("without a beat")) == 1


@pytest.mark.repeats("sqlite")
def test_a_worker_outlives_its_redis_in_the_middle_of_a_job_and_needs_no_beat_to_go_on(
    server, journal, fault_journal
):
    beat, worker = server.children["beat"], server.children["worker"]
    journal.enqueue(HOLD, "held")
    wait_for_begin(journal, "held")
    beat.process.send_signal(signal.SIGSTOP)
    try:
        server.kill9("redis")
        journal.enqueue(HOLD, "unannounced")
        server.restart("redis")
        returned_at = time.monotonic()
        journal.release()
        wait_for_begin(journal, "unannounced")
        recovery_seconds = time.monotonic() - returned_at
        wait_for_end(journal, "held", "unannounced")
    finally:
        beat.process.send_signal(signal.SIGCONT)
    fault_journal.record(
        5,
        "Redis killed and empty, a job under way, beat frozen",
        judge_jobs(journal, "held", "unannounced"),
        recovery_seconds=recovery_seconds,
    )
    assert worker.process.poll() is None
    assert [len(journal.list_begun(key)) for key in ("held", "unannounced")] == [1, 1]


def kill_redis(redis):
    redis.process.send_signal(signal.SIGKILL)
    redis.process.wait()


def freeze_redis(redis):
    redis.process.send_signal(signal.SIGSTOP)


def thaw_redis(redis):
    redis.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("killed and empty", marks=pytest.mark.repeats("sqlite")),
        pytest.param("half-open", marks=pytest.mark.repeats("postgresql")),
    ],
)
def test_without_redis_records_are_taken_and_with_it_work_begins_again(
    server, admin, journal, rounds, fault, fault_journal
):
    begin, end = {
        "killed and empty": (kill_redis, lambda redis: redis.start()),
        "half-open": (freeze_redis, thaw_redis),
    }[fault]
    redis = server.children["redis"]
    journal.release()
    with measuring(server, admin) as host:
        wait_until(lambda: count_frames(server, host), seconds=WAIT_SECONDS, what="a first frame")
        begin(redis)
        before = count_frames(server, host)
        journal.enqueue(HOLD, fault)
        threading.Event().wait(3 * rounds)
        page = httpx.get(f"{server.base_url}/accounts/login/", timeout=30, trust_env=False)
        wait_until(
            lambda: count_frames(server, host) > before,
            seconds=WAIT_SECONDS,
            what="a frame without Redis",
        )
        assert journal.list_begun(fault) == []
        end(redis)
        returned_at = time.monotonic()
        wait_for_begin(journal, fault)
        recovery_seconds = time.monotonic() - returned_at
        wait_for_end(journal, fault)
        verdict = judge_host(server, host)
    fault_journal.record(
        5,
        f"Redis {fault}",
        verdict,
        judge_jobs(journal, fault),
        recovery_seconds=recovery_seconds,
    )
    assert verdict.is_exactly_once, verdict
    assert page.status_code == 200
    assert len(journal.list_begun(fault)) == 1
