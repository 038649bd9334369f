"""Making jobs: in the caller's transaction, once for each key, with a hint after the commit."""

from datetime import timedelta

import pytest
from django.db import transaction

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.jobs.models import Job
from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind, Outcome, find_kind, name_kind, register_job
from apps.jobs.services import enqueue_job
from tests.factories.accounts import make_user
from tests.factories.jobs import KIND, known_kind
from tests.factories.threads import run_together

TOGETHER = 8


def do_nothing(_run):
    return Outcome()


@pytest.fixture(autouse=True)
def kind():
    with known_kind(do_nothing, queue=Queue.REPORTS) as known:
        yield known


@pytest.mark.django_db(transaction=True)
def test_a_job_is_committed_with_its_callers_transaction_and_then_announced(woken):
    with transaction.atomic():
        job = enqueue_job(kind=KIND, arguments={"month": "2026-03"})
        assert woken == []
    assert woken == ["reports"]
    job.refresh_from_db()
    assert (job.state, job.queue, job.attempts) == ("queued", "reports", 0)
    assert job.arguments == {"month": "2026-03"}


@pytest.mark.django_db(transaction=True)
def test_a_caller_that_fails_leaves_no_job_and_wakes_nobody(woken):
    with transaction.atomic():
        enqueue_job(kind=KIND, arguments={})
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert woken == []


@pytest.mark.django_db(transaction=True)
def test_a_job_for_later_wakes_nobody_now(woken):
    later = read_now() + timedelta(hours=1)
    assert enqueue_job(kind=KIND, arguments={}, run_after=later).run_after == later
    assert woken == []


@pytest.mark.django_db
def test_of_one_key_at_most_one_job_is_open():
    first = enqueue_job(kind=KIND, arguments={}, key="april")
    assert enqueue_job(kind=KIND, arguments={}, key="april") == first
    assert enqueue_job(kind=KIND, arguments={}, key="may") != first
    Job.objects.filter(id=first.id).update(state="running")
    assert enqueue_job(kind=KIND, arguments={}, key="april") == first
    Job.objects.filter(id=first.id).update(state="done")
    assert enqueue_job(kind=KIND, arguments={}, key="april") != first


@pytest.mark.django_db
def test_jobs_without_a_key_are_never_the_same():
    assert enqueue_job(kind=KIND, arguments={}) != enqueue_job(kind=KIND, arguments={})


@pytest.mark.django_db(transaction=True)
def test_many_who_ask_at_the_same_moment_get_the_same_job(woken):
    jobs = run_together(TOGETHER, lambda _number: enqueue_job(kind=KIND, arguments={}, key="once"))
    assert len({job.id for job in jobs}) == 1
    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_who_asked_is_kept_with_the_job():
    ann = make_user("ann", "admin")
    with act_as(Actor(label="ann", via=AuditEntry.Via.UI, user=ann)):
        assert enqueue_job(kind=KIND, arguments={}).requested_by == ann
    assert enqueue_job(kind=KIND, arguments={}).requested_by is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        {"at": object()},
        {"value": float("nan")},
        {"text": "a\x00b"},
        {"text": "\ud800"},
        {"text": "x" * 20_000},
    ],
)
def test_arguments_that_a_database_would_refuse_are_refused_by_name(arguments):
    with pytest.raises(Invalid) as refusal:
        enqueue_job(kind=KIND, arguments=arguments)
    assert refusal.value.errors[0].field == "arguments"
    assert not Job.objects.exists()


def test_an_unknown_kind_is_refused_and_named_as_it_is():
    with pytest.raises(Invalid, match="must be one of"):
        find_kind("jobs.none")
    assert name_kind("jobs.none") == "jobs.none"
    assert name_kind(KIND) == "Test work"


def test_a_name_means_one_kind_only(kind):
    register_job(KIND, kind)
    with pytest.raises(ValueError, match="two kinds"):
        register_job(KIND, JobKind(title="other", handler=do_nothing))


@pytest.mark.parametrize("options", [{"lease_seconds": 16}, {"most_attempts": 0}])
def test_a_kind_whose_limits_break_the_promise_is_refused(options):
    with pytest.raises(ValueError, match=r"at most|at least"):
        JobKind(title="other", handler=do_nothing, **options)
