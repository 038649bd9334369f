"""Attempts: counted before they begin, retried with a delay, given up in the end, never doubled."""

import threading
from datetime import timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import AuditEntry
from apps.accounts.services import record_audit
from apps.core.clock import read_now
from apps.core.errors import Conflict
from apps.jobs.algorithms.backoff import FIRST_SECONDS, LONGEST_SECONDS, find_retry_delay_seconds
from apps.jobs.errors import JobFailed
from apps.jobs.models import Job
from apps.jobs.registry import Outcome
from apps.jobs.services import discard_job, enqueue_job, keeping, retry_job, run_due_jobs
from apps.jobs.services.claims import claim_job, fail_job, finish_job, renew_claim
from apps.jobs.tasks import run_jobs, wake_queues
from tests.factories.accounts import make_user
from tests.factories.jobs import KIND, known_kind, make_job
from tests.factories.threads import run_together
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 30
SECRET = "https://user:hunter2@hooks.example/T0K3N"


def make_due(job):
    """Its delay, or the claim of its dead worker, is over."""
    past = read_now() - timedelta(seconds=1)
    Job.objects.filter(id=job.id).update(run_after=past)
    Job.objects.filter(id=job.id, state="running").update(claimed_until=past)


def lose_worker():
    """A worker claims the next job and is never heard of again."""
    claim = claim_job(["default"])
    make_due(claim.job)
    return claim


def test_a_job_is_done_with_what_its_handler_says_of_it():
    job = make_job(arguments={"month": 3})
    seen = []

    def handle(run):
        seen.append((run.arguments, Job.objects.get(id=job.id).attempts))
        return Outcome("42 pages")

    with known_kind(handle):
        assert run_due_jobs("default") == 1
        assert run_due_jobs("default") == 0
    job.refresh_from_db()
    assert seen == [({"month": 3}, 1)]
    assert (job.state, job.note, job.progress, job.error) == ("done", "42 pages", 1.0, "")
    assert (job.claimed_by, job.claimed_until) == ("", None)
    assert job.finished_at >= job.started_at


def test_the_longest_due_job_of_the_queue_comes_first_and_others_wait():
    now = read_now()
    order = []
    second = make_job(key="second", run_after=now - timedelta(minutes=1))
    first = make_job(key="first", run_after=now - timedelta(minutes=2))
    make_job(key="later", run_after=now + timedelta(minutes=1))
    make_job(key="elsewhere", queue="reports")
    make_job(kind="jobs.of_a_newer_server", key="unknown")
    with known_kind(lambda run: order.append(run.job.id)):
        run_due_jobs("default")
    assert order == [first.id, second.id]
    assert set(Job.objects.filter(state="queued").values_list("key", flat=True)) == {
        "later", "elsewhere", "unknown",
    }  # fmt: skip


@pytest.mark.parametrize("outcome", ["new", "incomplete", "failed", "retried"])
def test_a_host_whose_clock_is_years_ahead_puts_no_job_off(outcome):
    """Claims and due times go by the database's clock."""
    outcomes = {"incomplete": Outcome(is_complete=False), "failed": Conflict("busy", "Busy.")}

    def handle(_run):
        told = outcomes.pop(outcome, None)
        if isinstance(told, Exception):
            raise told
        return told

    with known_kind(handle):
        dead = make_job(state="dead") if outcome == "retried" else None
        with time_machine.travel(read_now() + timedelta(days=3650)):
            job = retry_job(job=dead) if dead else enqueue_job(kind=KIND, arguments={})
            run_due_jobs("default")
        job.refresh_from_db()
        assert job.run_after < read_now() + timedelta(minutes=1)
        assert job.state == ("queued" if outcome == "failed" else "done")


def test_a_failed_attempt_waits_longer_each_time_and_the_last_one_is_the_end():
    job = make_job()
    delays = []

    def fail(_run):
        raise Conflict("busy", "The printer is busy.")

    with known_kind(fail, most_attempts=3):
        for _attempt in range(3):
            make_due(job)
            before = read_now()
            assert run_due_jobs("default") == 1
            job.refresh_from_db()
            delays.append(round((job.run_after - before).total_seconds(), -1))
        make_due(job)
        assert run_due_jobs("default") == 0
    assert delays[:2] == [10, 40]
    assert (job.state, job.attempts, job.error) == ("dead", 3, "The printer is busy.")


def test_a_final_failure_is_not_tried_again():
    job = make_job()

    def fail(_run):
        raise JobFailed("There is no such month.", is_final=True)

    with known_kind(fail):
        run_due_jobs("default")
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("dead", 1, "There is no such month.")


def test_what_a_foreign_error_says_stays_in_the_log(caplog):
    job = make_job()

    def fail(_run):
        raise RuntimeError(SECRET)

    with known_kind(fail, most_attempts=1):
        run_due_jobs("default")
    job.refresh_from_db()
    assert "RuntimeError in apps/jobs/services/running.py" in job.error
    assert "hunter2" not in job.error
    deaths = [record for record in caplog.records if "job_dead" in record.getMessage()]
    assert len(deaths) == 1


def test_a_job_whose_worker_died_gets_another_attempt_when_its_claim_is_over():
    job = make_job()
    with known_kind(lambda _run: Outcome("done at last")):
        claim = claim_job(["default"])
        assert claim.job.id == job.id
        assert run_due_jobs("default") == 0
        make_due(job)
        assert run_due_jobs("default") == 1
    job.refresh_from_db()
    assert (job.state, job.attempts, job.note) == ("done", 2, "done at last")


def test_a_job_that_kills_its_worker_three_times_is_given_up():
    job = make_job()
    calls = []
    with known_kind(calls.append, most_attempts=3):
        for _kill in range(3):
            lose_worker()
        assert run_due_jobs("default") == 0
    job.refresh_from_db()
    assert (job.state, job.attempts, calls) == ("dead", 3, [])
    assert job.error == "The worker ended before the work was done, 3 times."


def test_a_worker_that_comes_back_too_late_changes_nothing_any_more():
    job = make_job()

    def overtaken(_run):
        make_due(job)
        assert claim_job(["default"]) is not None
        return Outcome("too late")

    with known_kind(overtaken):
        run_due_jobs("default")
    job.refresh_from_db()
    assert (job.state, job.attempts, job.note) == ("running", 2, "")


def test_an_overtaken_attempt_can_neither_finish_nor_fail_nor_renew_the_newer_one():
    job = make_job()
    with known_kind(lambda _run: None, most_attempts=2):
        stale = lose_worker()
        newer = claim_job(["default"])
        assert newer.holder != stale.holder
        assert not finish_job(stale, Outcome("stale"), progress=None)
        assert not fail_job(stale, "stale", is_final=True)
        assert not fail_job(stale, "stale")
        assert not renew_claim(stale, lease_seconds=3600, progress=0.1, note="stale")
        job.refresh_from_db()
        assert (job.state, job.attempts, job.claimed_by) == ("running", 2, newer.holder)
        assert (job.claimed_until, job.note, job.error) == (newer.job.claimed_until, "", "")
        assert finish_job(newer, Outcome("newer"), progress=None)
        assert not fail_job(stale, "stale", is_final=True)
    job.refresh_from_db()
    assert (job.state, job.note, job.error) == ("done", "newer", "")


def test_many_workers_do_each_job_once():
    jobs = [make_job(key=str(number)) for number in range(12)]
    lock, done = threading.Lock(), []

    def handle(run):
        with lock:
            done.append(run.job.id)

    with known_kind(handle):
        counts = run_together(6, lambda _number: run_due_jobs("default"))
    assert sorted(done) == sorted(job.id for job in jobs)
    assert sum(counts) == len(jobs)


def test_work_in_turns_goes_on_behind_the_others_without_using_up_its_attempts():
    turns = []
    long, short = make_job(key="long"), make_job(key="short")

    def handle(run):
        turns.append(run.job.key)
        is_complete = run.job.key == "short" or turns.count("long") == 5
        return Outcome(f"turn {len(turns)}", is_complete)

    with known_kind(handle, most_attempts=3):
        run_due_jobs("default")
    long.refresh_from_db()
    short.refresh_from_db()
    assert turns == ["long", "short", "long", "long", "long", "long"]
    assert (long.state, long.attempts, short.state) == ("done", 1, "done")


def test_a_worker_whose_turn_is_over_leaves_the_rest_to_the_next_hint(monkeypatch):
    woken = []
    monkeypatch.setattr("apps.jobs.services.running.wake_queue", woken.append)
    for number in range(3):
        make_job(key=str(number))
    with known_kind(lambda _run: None):
        assert run_due_jobs("default", turn_seconds=0) == 1
    assert woken == ["default"]


def test_the_claim_is_renewed_and_progress_shown_while_the_work_goes_on():
    job = make_job()
    seen = []

    def handle(run):
        begun_with = Job.objects.get(id=job.id).claimed_until
        run.report(0.4, "page 2 of 5")
        wait_until(lambda: Job.objects.get(id=job.id).progress == 0.4, seconds=PATIENCE_SECONDS)
        wait_until(
            lambda: Job.objects.get(id=job.id).claimed_until > begun_with + timedelta(seconds=1),
            seconds=PATIENCE_SECONDS,
        )
        seen.append(Job.objects.get(id=job.id).note)

    with known_kind(handle, lease_seconds=2):
        run_due_jobs("default")
    assert seen == ["page 2 of 5"]
    assert Job.objects.get(id=job.id).state == "done"


def test_a_job_that_is_discarded_stops_at_its_next_word():
    job = make_job()
    words = []

    def handle(run):
        discard_job(job=job)
        wait_until(lambda: run.is_lost, seconds=PATIENCE_SECONDS)
        words.append("goes on")
        run.report(0.9)
        words.append("never said")

    with known_kind(handle, lease_seconds=0.3):
        run_due_jobs("default")
    assert words == ["goes on"]
    assert Job.objects.get(id=job.id).state == "discarded"


def test_an_attempt_that_takes_too_long_is_interrupted_and_has_failed():
    job = make_job()
    with known_kind(lambda _run: threading.Event().wait(60), time_limit_seconds=0.2):
        run_due_jobs("default")
    job.refresh_from_db()
    assert (job.state, job.error) == ("queued", "It took longer than 0.2 s.")


def test_work_that_nothing_can_interrupt_ends_with_its_process():
    job = make_job()
    ended = []
    with known_kind(lambda _run: None, time_limit_seconds=-keeping.GRACE_SECONDS - 1) as kind:
        claim = claim_job(["default"])
        keeper = keeping.ClaimKeeper(keeping.JobRun(job), claim, kind, end=lambda: ended.append(1))
        keeper.step()
    assert ended == [1]


def test_what_a_job_changes_is_written_down_for_who_asked_for_it():
    ann = make_user("ann", "admin")
    make_job(requested_by=ann)
    with known_kind(lambda run: record_audit(action="made a report", target=run.job) and None):
        run_due_jobs("default")
    entry = AuditEntry.objects.get(action="made a report")
    assert (entry.actor, entry.via) == (ann, "system")


def test_the_periodic_task_finds_what_no_hint_announced(woken):
    make_job(queue="reports")
    make_job(queue="default", run_after=read_now() + timedelta(hours=1))
    make_job(queue="ml", state="running", claimed_until=read_now() - timedelta(seconds=1))
    make_job(queue="alerts", state="running", claimed_until=read_now() + timedelta(seconds=9))
    with known_kind(lambda _run: None):
        wake_queues()
        assert woken == ["ml", "reports"]
        run_jobs("ml")
        run_jobs("reports")
        wake_queues()
    assert woken == ["ml", "reports"]


@given(st.integers(1, 10_000))
def test_retry_delays_grow_and_stay_bounded(attempts):
    delay = find_retry_delay_seconds(attempts)
    assert FIRST_SECONDS <= delay <= LONGEST_SECONDS
    assert delay <= find_retry_delay_seconds(attempts + 1)
