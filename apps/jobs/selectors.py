"""Jobs as somebody may see them, and as workers and monitors look for them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from apps.accounts.policy import AnyUser, Permission, require
from apps.core.clock import read_now
from apps.core.errors import NotFound
from apps.jobs.models import Job
from apps.jobs.registry import list_kinds

OVERDUE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class JobCounts:
    """How many jobs are in each state, and how many open ones should be running by now."""

    by_state: dict[str, int]
    overdue: int


def list_jobs(user: AnyUser) -> QuerySet[Job]:
    """All jobs, the newest first, for who administers everything.

    Raises: NotAuthenticated, Refused.
    """
    require(user, Permission.ADMINISTER, is_everywhere=True)
    return Job.objects.select_related("requested_by")


def get_job(user: AnyUser, job_id: UUID) -> Job:
    """Raises: NotAuthenticated, Refused, NotFound."""
    job = list_jobs(user).filter(id=job_id).first()
    if job is None:
        raise NotFound("job_not_found", "There is no such job.")
    return job


def match_due() -> Q:
    """Waiting and due, or running with a claim that nobody renewed."""
    waiting = Q(state=Job.State.QUEUED, run_after__lte=Now())
    return waiting | Q(state=Job.State.RUNNING, claimed_until__lt=Now())


def list_due(queues: Collection[str]) -> QuerySet[Job]:
    """The jobs of these queues that a worker may take, longest due first.

    Kinds that this server does not know are left for one that does.
    """
    rows = Job.objects.filter(match_due(), queue__in=queues, kind__in=list(list_kinds()))
    return rows.order_by("run_after", "created_at")


def list_due_queues() -> list[str]:
    """The queues in which something is due."""
    known = Job.objects.filter(match_due(), kind__in=list(list_kinds()))
    return sorted(set(known.order_by().values_list("queue", flat=True)))


def list_overdue() -> QuerySet[Job]:
    """What has been due for more than a minute, or has lost its worker for as long."""
    limit = read_now() - OVERDUE_AFTER
    waiting = Q(state=Job.State.QUEUED, run_after__lt=limit)
    return Job.objects.filter(waiting | Q(state=Job.State.RUNNING, claimed_until__lt=limit))


def count_jobs() -> JobCounts:
    counted = Job.objects.order_by().values_list("state").annotate(Count("id"))
    counts = dict(counted)
    return JobCounts(
        by_state={state: counts.get(state, 0) for state in Job.State.values},
        overdue=list_overdue().count(),
    )


def list_keys(kind: str) -> QuerySet[Job, str]:
    """What the remembered jobs of a kind that are not done are about."""
    rows = Job.objects.filter(kind=kind).exclude(state=Job.State.DONE)
    return rows.values_list("key", flat=True)
