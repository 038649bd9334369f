"""Making jobs."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.accounts.actors import read_actor
from apps.core.clock import read_now
from apps.core.errors import Conflict, FieldError, Invalid
from apps.core.wakeups import wake_worker
from apps.jobs.models import Job
from apps.jobs.queues import RUN_JOBS, Queue
from apps.jobs.registry import find_kind

MOST_ARGUMENT_BYTES = 16_384
# Each needs an open job of this key to be settled between two statements.
MOST_TRIES = 5


def enqueue_job(
    *,
    kind: str,
    arguments: Mapping[str, Any],
    key: str = "",
    queue: Queue | None = None,
    run_after: datetime | None = None,
) -> Job:
    """The new job, committed with the caller's transaction; a worker is woken after that.

    With a `key` the open job of this kind and key is returned instead, should there be one; it
    may be running already. Arguments are shown to administrators, so they hold no secrets.
    Raises: Invalid for an unknown kind, and for arguments that are no JSON or above 16 kB.
    """
    chosen = queue or find_kind(kind).queue
    plain = check_arguments(arguments)
    now = read_now()
    new = Job(
        kind=kind,
        key=key,
        queue=chosen,
        arguments=plain,
        # By the database's clock, by which workers look for what is due.
        run_after=run_after or Now(),
        requested_by=read_actor().user,
        created_at=now,
    )
    job = store_once(new)
    if run_after is None or run_after <= now:
        transaction.on_commit(lambda: wake_queue(job.queue))
    return job


def store_once(new: Job) -> Job:
    """The new job, or the open one that has its kind and key."""
    for _number in range(MOST_TRIES):
        known = Job.objects.filter(kind=new.kind, key=new.key, state__in=Job.OPEN)
        found = known.first() if new.key else None
        if found is not None:
            return found
        try:
            with transaction.atomic():
                new.save(force_insert=True)
        except IntegrityError:
            # Somebody else made it at the same moment.
            continue
        new.refresh_from_db(fields=["run_after"])
        return new
    raise Conflict("job_contended", f"Jobs of {new} come and go too fast; try again.")


def check_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a worker will read them."""
    try:
        text = json.dumps(dict(arguments), allow_nan=False, ensure_ascii=False)
        size_bytes = len(text.encode())
    except (TypeError, ValueError) as error:
        raise Invalid([FieldError("arguments", "no_json", f"must be JSON: {error}")]) from error
    if size_bytes > MOST_ARGUMENT_BYTES or "\\u0000" in text:
        detail = f"must be at most {MOST_ARGUMENT_BYTES} bytes of JSON without NUL characters"
        raise Invalid([FieldError("arguments", "too_large", detail)])
    plain: dict[str, Any] = json.loads(text)
    return plain


def wake_queue(queue: str) -> None:
    """A hint only: the periodic task looks for due jobs as well."""
    wake_worker(RUN_JOBS, queue)
