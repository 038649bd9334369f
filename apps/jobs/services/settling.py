"""What people decide about jobs, and how long settled ones are remembered."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.accounts.services import audited, record_audit
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.jobs.models import Job
from apps.jobs.services.enqueueing import wake_queue

KEPT = timedelta(days=7)
FORGOTTEN_AT_ONCE = 1000


@audited()
def retry_job(*, job: Job) -> Job:
    """The given-up or discarded job, waiting again with all its attempts.

    Raises: NotFound when it is forgotten, Conflict when it is in another state, or when another
    job of its kind and key is open.
    """
    locked = lock_job(job)
    if locked.state not in {Job.State.DEAD, Job.State.DISCARDED}:
        raise Conflict("job_not_settled", "Only a job that was given up can be tried again.")
    before = describe_job(locked)
    locked.state, locked.attempts = Job.State.QUEUED, 0
    locked.run_after, locked.finished_at = Now(), None
    try:
        with transaction.atomic():
            locked.save(update_fields=["state", "attempts", "run_after", "finished_at"])
    except IntegrityError:
        raise Conflict("job_open", "A newer job does the same already.") from None
    locked.refresh_from_db(fields=["run_after"])
    record_audit(action="retry", target=locked, before=before, after=describe_job(locked))
    transaction.on_commit(lambda: wake_queue(locked.queue))
    return locked


@audited()
def discard_job(*, job: Job) -> Job:
    """The job, which nobody will do; one that runs is stopped when it next says how far it is.

    Raises: NotFound when it is forgotten, Conflict when it is done or discarded already.
    """
    locked = lock_job(job)
    if locked.state in {Job.State.DONE, Job.State.DISCARDED}:
        raise Conflict("job_settled", "The job is settled already.")
    before = describe_job(locked)
    locked.state, locked.finished_at = Job.State.DISCARDED, read_now()
    locked.claimed_by, locked.claimed_until = "", None
    locked.save(update_fields=["state", "finished_at", "claimed_by", "claimed_until"])
    record_audit(action="discard", target=locked, before=before, after=describe_job(locked))
    return locked


def lock_job(job: Job) -> Job:
    """Raises: NotFound."""
    locked = Job.objects.select_for_update().filter(id=job.id).first()
    if locked is None:
        raise NotFound("job_not_found", "There is no such job.")
    return locked


def describe_job(job: Job) -> dict[str, Any]:
    return {"state": job.state, "attempts": job.attempts, "error": job.error}


def forget_jobs() -> int:
    """How many jobs, done or discarded more than seven days ago, were removed: all there were.

    Those that were given up stay until somebody decides about them.
    """
    before = read_now() - KEPT
    forgotten = 0
    while count := forget_some_jobs(before):
        forgotten += count
    return forgotten


def forget_some_jobs(before: datetime) -> int:
    states = [Job.State.DONE, Job.State.DISCARDED]
    old = Job.objects.filter(state__in=states, finished_at__lt=before)
    step = old.order_by("finished_at").values("pk")[:FORGOTTEN_AT_ONCE]
    count, _by_model = Job.objects.filter(pk__in=step).delete()
    return count
