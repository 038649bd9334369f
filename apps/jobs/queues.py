"""The queues of the workers. A hint to run jobs travels in the queue of the jobs it is about."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

RUN_JOBS = "apps.jobs.tasks.run_jobs"
WAKE_QUEUES = "apps.jobs.tasks.wake_queues"


class Queue(StrEnum):
    DEFAULT = "default"
    ALERTS = "alerts"
    ML = "ml"
    REPORTS = "reports"
    MAINTENANCE = "maintenance"


def route_task(
    name: str, arguments: Sequence[Any], *_others: object, **_more: object
) -> Mapping[str, str] | None:
    """The queue of a task as Celery's `task_routes` wants it; None is the default queue."""
    return {"queue": str(arguments[0])} if name == RUN_JOBS else None
