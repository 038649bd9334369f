"""The bytes of an export, a piece at a time."""

import zlib
from collections.abc import Iterator

from apps.reports.algorithms.formats import Style, Writer
from apps.reports.algorithms.tables import Position
from apps.reports.datasets import Selection
from apps.reports.services.exports.orders import Order

GZIP_LEVEL = 5
# Of zlib: a gzip header and trailer around the largest window.
GZIP_WINDOW = 31


class Packer:
    """Compresses when asked to; members of gzip that follow each other are one file."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._member = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW) if is_gzip else None

    def pack(self, piece: bytes) -> bytes:
        if not self._is_gzip:
            return piece
        if self._member is None:
            self._member = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW)
        return self._member.compress(piece)

    def flush(self) -> bytes:
        """What was packed and not given yet; the member stays without its end."""
        return b"" if self._member is None else self._member.flush(zlib.Z_SYNC_FLUSH)

    def close(self) -> bytes:
        """The end of the member; what comes later begins another one."""
        member, self._member = self._member, None
        return b"" if member is None else member.flush()


class Pieces:
    """The pieces of an export from a position on, and how much of it they were up to now."""

    def __init__(
        self, selection: Selection, order: Order, *, behind: Position | None = None, rows: int = 0
    ) -> None:
        self._selection = selection
        self._order = order
        self._behind = behind
        # Turns before this one may have read much and found nothing to write.
        style = Style(order.has_end_line, is_continued=rows > 0)
        self._writer: Writer = order.format.make(order.dataset.columns, style)
        self._packer = Packer(is_gzip=order.is_gzip)
        self.row_count = rows
        self.unit_count = 0
        self.position = behind

    def write(self) -> Iterator[bytes]:
        """The file but for its end."""
        if self._behind is None:
            yield self._packer.pack(self._writer.begin())
        for chunk in self._selection.read(self._behind):
            piece = self._packer.pack(self._writer.write(chunk))
            self.row_count += chunk.row_count
            self.unit_count += chunk.units
            self.position = chunk.position
            yield piece

    def end(self) -> bytes:
        return self._packer.pack(self._writer.end(self.row_count)) + self._packer.close()

    def interrupt(self) -> bytes:
        """What must be written so that others may go on behind this."""
        return self._packer.close()

    def fail(self, reason: str) -> bytes:
        """What tells whoever gets the cut-off file why; its compression stays without an end."""
        text = self._packer.pack(self._writer.fail(self.row_count, reason))
        return text + self._packer.flush()
