"""Who has a job: claimed before it is begun, kept by renewal, given back with the outcome.

Claims are judged by the database's clock, so that workers on several hosts agree about them.
"""

import os
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from apps.core.clock import read_now
from apps.jobs.algorithms.backoff import find_retry_delay_seconds
from apps.jobs.models import Job
from apps.jobs.registry import Outcome, list_kinds
from apps.jobs.selectors import list_due

logger = structlog.get_logger(__name__)

DIED = "The worker ended before the work was done, {attempts} times."
LONGEST_NAME = 90


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to one attempt; `holder` is unlike that of any other attempt."""

    job: Job
    holder: str

    def update(self, **values: Any) -> bool:
        """Whether the job was still this claim's, and so was changed."""
        mine = Job.objects.filter(id=self.job.id, claimed_by=self.holder, state=Job.State.RUNNING)
        return bool(mine.update(**values))


def name_holder() -> str:
    return f"{socket.gethostname()[:LONGEST_NAME]}:{os.getpid()}:{secrets.token_hex(4)}"


def count_from_now(seconds: float) -> Combinable:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())


def claim_job(queues: Collection[str]) -> Claim | None:
    """The claim of the job that has been due for longest, committed; None when none is due.

    Jobs whose workers died in all their attempts are buried on the way.
    """
    while True:
        with transaction.atomic():
            job = list_due(queues).select_for_update(skip_locked=True).first()
            if job is None:
                return None
            if job.attempts < list_kinds()[job.kind].most_attempts:
                return take_job(job)
            bury_job(job, DIED.format(attempts=job.attempts))


def take_job(job: Job) -> Claim:
    holder = name_holder()
    Job.objects.filter(id=job.id).update(
        state=Job.State.RUNNING,
        attempts=F("attempts") + 1,
        claimed_by=holder,
        claimed_until=count_from_now(list_kinds()[job.kind].lease_seconds),
        started_at=read_now(),
    )
    job.refresh_from_db()
    return Claim(job, holder)


def renew_claim(claim: Claim, *, lease_seconds: float, progress: float | None, note: str) -> bool:
    """Whether the claim could be renewed; what the work said of itself is stored with it."""
    until = count_from_now(lease_seconds)
    return claim.update(claimed_until=until, progress=progress, note=note)


def finish_job(claim: Claim, outcome: Outcome, *, progress: float | None) -> bool:
    """Store a good end, or that the work goes on later; whether the claim still held."""
    released = {"claimed_by": "", "claimed_until": None, "error": ""}
    if outcome.is_complete:
        return claim.update(
            **released,
            state=Job.State.DONE,
            finished_at=read_now(),
            progress=1.0,
            note=outcome.note,
        )
    return claim.update(
        **released,
        state=Job.State.QUEUED,
        attempts=0,
        run_after=Now(),
        progress=progress,
        note=outcome.note,
    )


def fail_job(claim: Claim, error: str, *, is_final: bool = False) -> bool:
    """Store a failed attempt; whether the claim still held.

    The next one comes after a growing delay; after the last the job is dead.
    """
    job = claim.job
    most_attempts = list_kinds()[job.kind].most_attempts
    if is_final or job.attempts >= most_attempts:
        is_buried = claim.update(**describe_burial(error, read_now()))
        if is_buried:
            log_burial(job, error)
        return is_buried
    return claim.update(
        state=Job.State.QUEUED,
        claimed_by="",
        claimed_until=None,
        run_after=count_from_now(find_retry_delay_seconds(job.attempts)),
        error=error,
    )


def bury_job(job: Job, error: str) -> None:
    """The locked job is given up."""
    Job.objects.filter(id=job.id).update(**describe_burial(error, read_now()))
    transaction.on_commit(lambda: log_burial(job, error))


def describe_burial(error: str, now: datetime) -> dict[str, Any]:
    return {
        "state": Job.State.DEAD,
        "claimed_by": "",
        "claimed_until": None,
        "finished_at": now,
        "error": error,
    }


def log_burial(job: Job, error: str) -> None:
    logger.error("job_dead", job=str(job.id), kind=job.kind, attempts=job.attempts, reason=error)
