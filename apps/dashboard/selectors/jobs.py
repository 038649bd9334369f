"""Background work as its page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from apps.accounts.policy import AnyUser
from apps.core.clock import read_now
from apps.jobs.models import Job
from apps.jobs.registry import name_kind
from apps.jobs.selectors import OVERDUE_AFTER, count_jobs, list_jobs

ROWS_SHOWN = 50
SETTLED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class JobRow:
    """A line of the page; `is_late` says that a worker should have it by now."""

    job: Job
    title: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class JobList:
    """The first jobs of some state, and how many there are."""

    rows: Sequence[JobRow]
    count: int


@dataclass(frozen=True, slots=True)
class JobLists:
    """Given up and running ones newest first, waiting ones by when they may begin."""

    dead: JobList
    running: JobList
    waiting: JobList
    settled: JobList

    @property
    def is_empty(self) -> bool:
        lists = (self.dead, self.running, self.waiting, self.settled)
        return not any(one.count for one in lists)


def describe_jobs(user: AnyUser) -> JobLists:
    """The jobs by what they are now; the same few queries for any number of them.

    Raises: NotAuthenticated, Refused.
    """
    state, now = Job.State, read_now()
    counts = count_jobs().by_state
    settled = [state.DONE, state.DISCARDED]

    def take(rows: QuerySet[Job], *states: str, order: str, size: int = ROWS_SHOWN) -> JobList:
        found = rows.filter(state__in=states).order_by(order, "id")[:size]
        return JobList(
            rows=[JobRow(job, name_kind(job.kind), is_late(job, now)) for job in found],
            count=sum(counts[one] for one in states),
        )

    jobs = list_jobs(user)
    return JobLists(
        dead=take(jobs, state.DEAD, order="-finished_at"),
        running=take(jobs, state.RUNNING, order="-started_at"),
        waiting=take(jobs, state.QUEUED, order="run_after"),
        settled=take(jobs, *settled, order="-finished_at", size=SETTLED_SHOWN),
    )


def is_late(job: Job, now: datetime) -> bool:
    limit = now - OVERDUE_AFTER
    if job.state == Job.State.RUNNING:
        return job.claimed_until is not None and job.claimed_until < limit
    return job.state == Job.State.QUEUED and job.run_after < limit
