"""Asking for exports that are made in the background, and deleting them."""

from datetime import timedelta

from django.db import transaction

from apps.accounts.models import User
from apps.accounts.services import audited, record_audit
from apps.configuration.selectors import read_whole
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict
from apps.jobs.models import Job
from apps.jobs.services import discard_job, enqueue_job
from apps.reports.models import Export
from apps.reports.published import PapersChanged
from apps.reports.selectors.exports import count_open
from apps.reports.services.exports.making import EXPORT
from apps.reports.services.exports.orders import Order
from apps.reports.services.exports.room import check_room
from apps.reports.writers.export_files import remove_files

MOST_OPEN = 5


@audited()
def request_export(*, user: User, order: Order) -> Export:
    """The new export, which a worker makes.

    Raises: Refused, Invalid for wrong filters, Conflict when five of the user's are open already,
    NoRoomForExport.
    """
    order.dataset.select(user, order.filters)
    if count_open(user) >= MOST_OPEN:
        raise Conflict("exports_open", f"{MOST_OPEN} of your exports are not finished yet.")
    check_room()
    now = read_now()
    export = Export(
        dataset=order.dataset.name,
        format=order.format.name,
        is_gzip=order.is_gzip,
        filters={name: list(values) for name, values in order.filters.items()},
        requested_by=user,
        created_at=now,
        expires_at=now + timedelta(hours=read_whole("export_kept_hours")),
    )
    arguments = {"export": str(export.id)}
    export.job = enqueue_job(kind=EXPORT, arguments=arguments, key=str(export.id))
    export.save(force_insert=True)
    record_audit(action="export", target=export, after=order.describe())
    publish(PapersChanged())
    return export


@audited()
def delete_export(*, export: Export) -> None:
    """The export and its file are gone; one that is being made is stopped."""
    if export.job is not None and export.job.state in Job.OPEN:
        discard_open(export.job)
    record_audit(action="delete", target=export, before={"rows": export.row_count})
    export_id = export.id
    export.delete()
    transaction.on_commit(lambda: remove_files(export_id))


def discard_open(job: Job) -> None:
    try:
        discard_job(job=job)
    except Conflict:
        # It was finished meanwhile.
        return
