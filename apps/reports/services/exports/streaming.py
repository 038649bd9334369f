"""Exports that are written while somebody downloads them."""

import threading
from collections.abc import Callable, Generator, Iterator

import structlog

from apps.accounts.policy import AnyUser
from apps.accounts.services import audited, record_audit
from apps.core.errors import StreamSwarmError, TooManyRequests
from apps.reports.models import Export
from apps.reports.services.exports.orders import Order
from apps.reports.services.exports.pieces import Pieces

logger = structlog.get_logger(__name__)

# Of a process: each keeps a thread, as long as it is downloaded.
STREAMS_AT_ONCE = 4
RETRY_AFTER_SECONDS = 30
# What lies between a thread and a slow caller is some pieces, which are to be small.
PIECE_BYTES = 262_144

_lock = threading.Lock()
_going: set[int] = set()


class ExportStream:
    """The pieces of an export, once.

    `is_wanted` is asked before each step: nobody reads the database for a caller who left. After
    an error the last piece says so where the format can, and the error is raised, which breaks the
    download off.
    """

    def __init__(self, pieces: Pieces, is_wanted: Callable[[], bool]) -> None:
        self._pieces = pieces
        self._is_wanted = is_wanted
        self._written = self._write()

    @property
    def row_count(self) -> int:
        return self._pieces.row_count

    def __iter__(self) -> Iterator[bytes]:
        return self._written

    def close(self) -> None:
        self._written.close()

    def _write(self) -> Generator[bytes, None, None]:
        with _lock:
            _going.add(id(self._pieces))
        try:
            yield from self._write_told()
        finally:
            with _lock:
                _going.discard(id(self._pieces))

    def _write_told(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces.write():
                yield from self._cut(piece)
                if not self._is_wanted():
                    logger.info("export_abandoned", rows=self.row_count)
                    return
        except Exception as error:
            # The edge of the download: its status was sent long ago.
            logger.exception("export_broken", rows=self.row_count)
            yield self._pieces.fail(describe_break(error))
            raise
        yield self._pieces.end()
        logger.info("export_streamed", rows=self.row_count)

    def _cut(self, piece: bytes) -> Iterator[bytes]:
        for first in range(0, len(piece), PIECE_BYTES):
            yield piece[first : first + PIECE_BYTES]
            if not self._is_wanted():
                return


def describe_break(error: Exception) -> str:
    """Foreign texts may hold secrets and stay in the log."""
    return error.detail if isinstance(error, StreamSwarmError) else type(error).__name__


def open_stream(
    user: AnyUser, order: Order, *, is_wanted: Callable[[], bool] = lambda: True
) -> ExportStream:
    """The stream of an export, audited as begun.

    Raises: NotAuthenticated, Refused, Invalid for wrong filters, TooManyRequests while others are
    being downloaded.
    """
    selection = order.dataset.select(user, order.filters)
    # Those who ask at the same moment may be a few more; what counts is that they stay few.
    if len(_going) >= STREAMS_AT_ONCE:
        raise TooManyRequests(
            "exports_busy",
            f"{STREAMS_AT_ONCE} exports are being downloaded; have it made in the background.",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
    note_stream(order)
    return ExportStream(Pieces(selection, order), is_wanted)


@audited()
def note_stream(order: Order) -> None:
    target = Export(dataset=order.dataset.name, format=order.format.name, is_gzip=order.is_gzip)
    record_audit(action="export", target=target, after=order.describe())
