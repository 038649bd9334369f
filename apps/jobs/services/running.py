"""Running jobs: one at a time, the claim renewed beside the work, every end written down."""

import time
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from traceback import extract_tb

import structlog
from django.db import connection

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry
from apps.core.errors import StreamSwarmError
from apps.jobs.errors import JobFailed, JobLost
from apps.jobs.models import Job
from apps.jobs.registry import JobKind, Outcome, list_kinds
from apps.jobs.runs import LONGEST_NOTE, JobRun
from apps.jobs.selectors import list_due
from apps.jobs.services.claims import Claim, claim_job, fail_job, finish_job
from apps.jobs.services.enqueueing import wake_queue
from apps.jobs.services.keeping import keep_claim, limit_time

logger = structlog.get_logger(__name__)

LONGEST_ERROR = 500
TURN_SECONDS = 10.0
OWN_FOLDER = Path(__file__).resolve().parents[3]


def run_due_jobs(queue: str, *, turn_seconds: float = TURN_SECONDS) -> int:
    """How many attempts were made at the due jobs of the queue, until none is due.

    After `turn_seconds` no further one is begun, so that the worker's other tasks get their turn;
    another worker is then woken for the rest.
    """
    end = time.monotonic() + turn_seconds
    count = 0
    while run_next_job([queue]):
        count += 1
        if time.monotonic() >= end:
            if list_due([queue]).exists():
                wake_queue(queue)
            break
    return count


def run_next_job(queues: Collection[str]) -> bool:
    """Whether a job was due, and an attempt at it was made."""
    claim = claim_job(queues)
    if claim is None:
        return False
    with structlog.contextvars.bound_contextvars(job=str(claim.job.id)):
        attempt(claim, list_kinds()[claim.job.kind])
    return True


def attempt(claim: Claim, kind: JobKind) -> None:
    run = JobRun(claim.job)
    try:
        with keep_claim(run, claim, kind), limit_time(kind.time_limit_seconds), act_for(claim.job):
            outcome = kind.handler(run) or Outcome()
    except JobLost:
        logger.warning("job_claim_lost", kind=claim.job.kind)
        return
    except Exception as error:
        # The edge of the worker: whatever a handler raises is a failed attempt, written down.
        logger.warning("job_attempt_failed", kind=claim.job.kind, exc_info=True)
        connection.close_if_unusable_or_obsolete()
        is_final = isinstance(error, JobFailed) and error.is_final
        is_held = fail_job(claim, describe_error(error), is_final=is_final)
    else:
        shortened = Outcome(outcome.note[:LONGEST_NOTE], outcome.is_complete)
        is_held = finish_job(claim, shortened, progress=run.progress)
    if not is_held:
        logger.warning("job_claim_lost", kind=claim.job.kind)


def act_for(job: Job) -> AbstractContextManager[None]:
    """What the job changes is written down as done by the server for who asked for it."""
    user = job.requested_by
    if user is None:
        return nullcontext()
    return act_as(Actor(label=user.username, via=AuditEntry.Via.SYSTEM, user=user))


def describe_error(error: Exception) -> str:
    """Why an attempt failed, for the page; foreign texts may hold secrets and stay in the log."""
    if isinstance(error, StreamSwarmError):
        return error.detail[:LONGEST_ERROR]
    place = ""
    for frame in extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(OWN_FOLDER / "apps"):
            place = f" in {path.relative_to(OWN_FOLDER)}, line {frame.lineno} ({frame.name})"
    return f"{type(error).__name__}{place}; the log has the rest."[:LONGEST_ERROR]
