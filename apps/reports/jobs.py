"""The background work of this room."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind
from apps.reports.services.exports import EXPORT, make_export

JOBS: Mapping[str, JobKind] = {
    EXPORT: JobKind(
        title=_("Make an export"),
        handler=make_export,
        queue=Queue.REPORTS,
        # What no other turn can go on with takes as long as it takes.
        time_limit_seconds=1800.0,
    ),
}
