"""The background work of this room."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from apps.jobs.queues import Queue
from apps.jobs.registry import JobKind
from apps.reports.services.exports import EXPORT, make_export
from apps.reports.services.reports import delivering, making
from apps.reports.services.reports.settling import MAKE_REPORT, SEND_REPORT

JOBS: Mapping[str, JobKind] = {
    EXPORT: JobKind(
        title=_("Make an export"),
        handler=make_export,
        queue=Queue.REPORTS,
        # What no other turn can go on with takes as long as it takes.
        time_limit_seconds=1800.0,
    ),
    MAKE_REPORT: JobKind(
        title=_("Make a report"),
        handler=making.make_report,
        queue=Queue.REPORTS,
        most_attempts=making.MOST_ATTEMPTS,
    ),
    SEND_REPORT: JobKind(
        title=_("Send a report"),
        handler=delivering.send_report,
        queue=Queue.REPORTS,
        most_attempts=delivering.MOST_ATTEMPTS,
        time_limit_seconds=120.0,
    ),
}
