from contextlib import contextmanager
from datetime import timedelta

from apps.core.clock import read_now
from apps.jobs import registry
from apps.jobs.models import Job
from apps.jobs.registry import JobKind

KIND = "jobs.test"


def make_job(kind=KIND, **values):
    """A job as if a handler's room had made it; any field may be given."""
    now = read_now()
    defaults = {"queue": "default", "run_after": now - timedelta(seconds=1), "created_at": now}
    return Job.objects.create(**{"kind": kind, **defaults, **values})


@contextmanager
def known_kind(handler, name=KIND, **options):
    """While the block runs, jobs of that name are done by the handler."""
    before = dict(registry._kinds)
    registry._kinds[name] = JobKind(title="Test work", handler=handler, **options)
    try:
        yield registry._kinds[name]
    finally:
        registry._kinds.clear()
        registry._kinds.update(before)
