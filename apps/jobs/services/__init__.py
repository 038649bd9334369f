from apps.jobs.services.enqueueing import enqueue_job, wake_queue
from apps.jobs.services.running import run_due_jobs
from apps.jobs.services.settling import discard_job, forget_jobs, retry_job

__all__ = [
    "discard_job",
    "enqueue_job",
    "forget_jobs",
    "retry_job",
    "run_due_jobs",
    "wake_queue",
]
