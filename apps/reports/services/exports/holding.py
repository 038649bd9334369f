"""What becomes of an export, decided by nobody but the worker that has its job.

A worker that hung may wake when another one has the job by now. So that it spoils nothing, the row
changes and files get and lose their names in `hold_job` alone, and each worker writes to the file
that it locked while it had the job: the next one takes another when that lock is kept.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from apps.jobs.errors import JobLost
from apps.jobs.models import Job
from apps.jobs.runs import JobRun
from apps.reports.models import Export
from apps.reports.writers.export_files import GrowingFile, remove_files, remove_unfinished

# Another worker is about to see that it lost the job; what it wrote up to now is worth a moment.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.5
NOTHING_WRITTEN = {"position": None, "row_count": 0, "unit_count": 0, "size_bytes": 0}


@contextmanager
def hold_job(run: JobRun) -> Iterator[None]:
    """A transaction in which nobody else gets the job.

    Raises: JobLost when somebody did before.
    """
    with transaction.atomic():
        mine = Job.objects.filter(id=run.job.id, claimed_by=run.job.claimed_by)
        if mine.select_for_update().first() is None:
            raise JobLost
        yield


def change_export(run: JobRun, export: Export, **values: Any) -> None:
    """Raises: JobLost, also for an export that was deleted or has its file."""
    with hold_job(run):
        if not Export.objects.filter(id=export.id, sha256="").update(**values):
            raise JobLost
    for name, value in values.items():
        setattr(export, name, value)


def take_file(run: JobRun, export: Export) -> GrowingFile:
    """The export's unfinished file, to be closed by the caller; empty when another worker hangs.

    Raises: JobLost.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        with hold_job(run):
            file = GrowingFile.open(export.id)
            if file is None and time.monotonic() >= end:
                remove_unfinished(export.id)
                file = GrowingFile.open(export.id)
        if file is not None:
            return file
        time.sleep(PAUSE_SECONDS)


def drop_file(run: JobRun, export: Export) -> None:
    """What was written is removed, and another attempt begins anew.

    Raises: JobLost.
    """
    with hold_job(run):
        change_export(run, export, **NOTHING_WRITTEN)
        remove_files(export.id)
