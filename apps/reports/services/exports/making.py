"""Making exports in the background, a turn of some seconds at a time.

Each turn goes on where the one before ended, so a long export keeps the other work of a worker
waiting for seconds only, and one whose worker was killed loses no more than a turn.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from math import inf

from django.utils.translation import gettext as _

from apps.configuration.selectors import read_whole
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import Conflict, StreamSwarmError
from apps.jobs.errors import JobFailed
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.reports.models import Export
from apps.reports.published import PapersChanged
from apps.reports.selectors.exports import describe_scope
from apps.reports.services.exports.holding import (
    NOTHING_WRITTEN,
    change_export,
    drop_file,
    hold_job,
    take_file,
)
from apps.reports.services.exports.orders import Order, read_order
from apps.reports.services.exports.pieces import Pieces
from apps.reports.services.exports.room import check_room, notice_full_disk
from apps.reports.writers.export_files import GrowingFile

EXPORT = "export"
TURN_SECONDS = 5.0
# Between two looks at the room, in which a turn writes some tens of megabytes.
ROOM_SECONDS = 1.0


def make_export(run: JobRun, *, turn_seconds: float = TURN_SECONDS) -> Outcome:
    """Write one turn of the export, or all that is left of one that no other turn can go on with.

    Raises: JobFailed when it was deleted, when who asked may not have it (any more), or for want
    of room; JobLost.
    """
    export = (
        Export.objects.select_related("requested_by").filter(id=run.arguments["export"]).first()
    )
    if export is None:
        raise JobFailed(_("The export was deleted."), is_final=True)
    if export.sha256:
        return Outcome(describe_rows(export.row_count))
    try:
        order = read_order(
            dataset=export.dataset,
            format_name=export.format,
            filters=export.filters,
            is_gzip=export.is_gzip,
        )
        with notice_full_disk():
            return write_turn(run, export, order, turn_seconds)
    except JobFailed:
        raise
    except StreamSwarmError as error:
        drop_file(run, export)
        raise JobFailed(error.detail, is_final=True) from error


def write_turn(run: JobRun, export: Export, order: Order, turn_seconds: float) -> Outcome:
    selection = order.dataset.select(export.requested_by, order.filters)
    if export.total_units is None:
        change_export(run, export, total_units=selection.count_units())
    with closing(take_file(run, export)) as file:
        begin_turn(run, export, order, file)
        pieces = Pieces(selection, order, behind=export.position, rows=export.row_count)
        seconds = turn_seconds if order.format.is_resumable else inf
        is_complete = write_pieces(run, export, pieces, file, seconds)
        file.write(pieces.end() if is_complete else pieces.interrupt())
        file.keep()
        written = {
            "row_count": pieces.row_count,
            "unit_count": export.unit_count + pieces.unit_count,
            "size_bytes": file.size_bytes,
        }
        if is_complete:
            finish(run, export, file, written)
        else:
            change_export(run, export, **written, position=list(pieces.position or ()))
        return Outcome(describe_rows(pieces.row_count), is_complete)


def begin_turn(run: JobRun, export: Export, order: Order, file: GrowingFile) -> None:
    """The row and the file tell the same, and what is read is noted as read by today's rights.

    Raises: Conflict when what is in the file was read by other rights; JobLost.
    """
    scope = describe_scope(export.requested_by, order.dataset.permission)
    with hold_job(run):
        if export.position is None or not file.holds(export.size_bytes):
            change_export(run, export, **NOTHING_WRITTEN, scope=scope)
        elif scope != export.scope:
            raise Conflict(
                "export_outdated",
                "The rights of who made it changed while it was written; make the export again.",
            )
        file.cut(export.size_bytes)


def write_pieces(
    run: JobRun, export: Export, pieces: Pieces, file: GrowingFile, turn_seconds: float
) -> bool:
    """Whether all of them were written; else the turn is over."""
    end = time.monotonic() + turn_seconds
    look_at = 0.0
    for piece in pieces.write():
        share = (export.unit_count + pieces.unit_count) / max(export.total_units or 0, 1)
        run.report(min(share, 1.0), describe_rows(pieces.row_count))
        file.write(piece)
        now = time.monotonic()
        if now >= look_at:
            check_room()
            look_at = now + ROOM_SECONDS
            publish(PapersChanged())
        if now >= end and pieces.position is not None:
            return False
    return True


def finish(run: JobRun, export: Export, file: GrowingFile, written: Mapping[str, int]) -> None:
    digest = file.digest()
    now = read_now()
    with hold_job(run):
        change_export(
            run,
            export,
            **written,
            sha256=digest,
            finished_at=now,
            expires_at=now + timedelta(hours=read_whole("export_kept_hours")),
        )
        file.finish()
        publish(PapersChanged())


def describe_rows(count: int) -> str:
    return _("%(count)s rows") % {"count": f"{count:,}"}
