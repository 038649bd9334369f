"""Making exports in the background, a turn of some seconds at a time.

Each turn goes on where the one before ended, so a long export keeps the other work of a worker
waiting for seconds only, and one whose worker was killed loses no more than a turn.
"""

import time
from datetime import timedelta
from math import inf

from django.utils.translation import gettext as _

from apps.configuration.selectors import read_whole
from apps.core.bus import publish
from apps.core.clock import read_now
from apps.core.errors import StreamSwarmError
from apps.jobs.errors import JobFailed
from apps.jobs.registry import Outcome
from apps.jobs.runs import JobRun
from apps.reports.models import Export
from apps.reports.published import PapersChanged
from apps.reports.services.exports.orders import Order, read_order
from apps.reports.services.exports.pieces import Pieces
from apps.reports.services.exports.room import check_room
from apps.reports.writers.export_files import GrowingFile, remove_files

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
        return write_turn(run, export, order, turn_seconds)
    except JobFailed:
        raise
    except StreamSwarmError as error:
        remove_files(export.id)
        raise JobFailed(error.detail, is_final=True) from error


def write_turn(run: JobRun, export: Export, order: Order, turn_seconds: float) -> Outcome:
    selection = order.dataset.select(export.requested_by, order.filters)
    if export.total_units is None:
        export.total_units = selection.count_units()
        store(export, total_units=export.total_units)
    file = GrowingFile(export.id, export.size_bytes)
    try:
        if not file.is_whole or not order.format.is_resumable:
            begin_anew(export, file)
        pieces = Pieces(selection, order, behind=export.position, rows=export.row_count)
        seconds = turn_seconds if order.format.is_resumable else inf
        is_complete = write_pieces(run, export, pieces, file, seconds)
        if is_complete:
            file.write(pieces.end())
            finish(export, pieces, file)
            return Outcome(describe_rows(pieces.row_count))
        file.write(pieces.interrupt())
        file.keep()
        store(
            export,
            position=list(pieces.position or ()),
            row_count=pieces.row_count,
            unit_count=export.unit_count + pieces.unit_count,
            size_bytes=file.size_bytes,
        )
        return Outcome(describe_rows(pieces.row_count), is_complete=False)
    finally:
        file.close()


def begin_anew(export: Export, file: GrowingFile) -> None:
    file.empty()
    export.position, export.row_count, export.unit_count = None, 0, 0


def write_pieces(
    run: JobRun, export: Export, pieces: Pieces, file: GrowingFile, turn_seconds: float
) -> bool:
    """Whether all of them were written; else the turn is over."""
    end = time.monotonic() + turn_seconds
    look_at = 0.0
    for piece in pieces.write():
        file.write(piece)
        now = time.monotonic()
        if now >= look_at:
            check_room()
            look_at = now + ROOM_SECONDS
            publish(PapersChanged())
        share = (export.unit_count + pieces.unit_count) / max(export.total_units or 0, 1)
        run.report(min(share, 1.0), describe_rows(pieces.row_count))
        if now >= end and pieces.position is not None:
            return False
    return True


def finish(export: Export, pieces: Pieces, file: GrowingFile) -> None:
    size_bytes = file.size_bytes
    digest = file.finish()
    now = read_now()
    is_stored = store(
        export,
        sha256=digest,
        size_bytes=size_bytes,
        row_count=pieces.row_count,
        unit_count=export.unit_count + pieces.unit_count,
        finished_at=now,
        expires_at=now + timedelta(hours=read_whole("export_kept_hours")),
    )
    publish(PapersChanged())
    if not is_stored:
        remove_files(export.id)


def store(export: Export, **values: object) -> bool:
    """Whether the export is still there."""
    return bool(Export.objects.filter(id=export.id).update(**values))


def describe_rows(count: int) -> str:
    return _("%(count)s rows") % {"count": f"{count:,}"}
