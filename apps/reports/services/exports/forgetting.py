"""Removing exports that have expired, and files that no export knows."""

from datetime import datetime

from apps.jobs.models import Job
from apps.reports.models import Export
from apps.reports.writers.export_files import remove_files, remove_orphans

ORPHANED_AFTER_SECONDS = 3600.0


def forget_exports(*, now: datetime) -> int:
    """How many expired exports were removed, with their files. One that is being made stays."""
    old = Export.objects.filter(expires_at__lte=now).exclude(job__state__in=Job.OPEN)
    count = 0
    for export_id in list(old.values_list("id", flat=True)):
        remove_files(export_id)
        count += Export.objects.filter(id=export_id).delete()[0]
    known = set(Export.objects.values_list("id", flat=True))
    remove_orphans(known, older_than_seconds=ORPHANED_AFTER_SECONDS, now=now.timestamp())
    return count
