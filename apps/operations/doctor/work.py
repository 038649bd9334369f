"""Background work that was given up, or that nobody does."""

from django.db import Error

from apps.jobs.models import Job
from apps.jobs.selectors import OVERDUE_AFTER, count_jobs, list_overdue
from apps.operations.doctor.base import Finding, Verdict

NAMED = 3


def check_jobs() -> list[Finding]:
    """Whether the jobs are done in time, and whether any was given up."""
    try:
        counts = count_jobs()
        queues = sorted(set(list_overdue().order_by().values_list("queue", flat=True)))
        dead = Job.objects.filter(state=Job.State.DEAD)
        kinds = sorted(set(dead.order_by().values_list("kind", flat=True)))[:NAMED]
    except Error:
        return [Finding("jobs", Verdict.SKIPPED, "the database does not answer")]
    findings = []
    if counts.overdue:
        detail = f"{counts.overdue} due for more than {OVERDUE_AFTER.total_seconds():.0f} s"
        hint = "Does a worker consume the queue, and is it of this server's version?"
        findings.append(Finding("jobs", Verdict.FAILED, f"{detail}, in {', '.join(queues)}", hint))
    count = counts.by_state[Job.State.DEAD]
    if count:
        detail = f"{count} given up: {', '.join(kinds)}"
        hint = "The page /jobs/ says why; retry or discard them there."
        findings.append(Finding("jobs", Verdict.WARNING, detail, hint))
    waiting = counts.by_state[Job.State.QUEUED]
    return findings or [Finding("jobs", Verdict.OK, f"{waiting} wait, none was given up")]
