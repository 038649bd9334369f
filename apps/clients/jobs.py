"""The background work of this room."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.clients.services import REMOVE_HISTORY, remove_history
from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind

JOBS: Mapping[str, JobKind] = {
    REMOVE_HISTORY: JobKind(
        title=_("Remove the history of a deleted client"),
        handler=remove_history,
        queue=Queue.MAINTENANCE,
        # Its turns are short; one that is not back by then waits for a lock.
        time_limit_seconds=120.0,
    ),
}
