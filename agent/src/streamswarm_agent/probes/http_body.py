"""A response body read piece by piece, within limits, however well it was packed."""

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

PIECE_BYTES = 1 << 16
WINDOW_BITS_AUTOMATIC = 47
PACKED = frozenset({"gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes on the wire and after decoding; whether the wanted text was in it and all was read.

    `sha256` is the digest of what was read, decoded, in hex; `content` its beginning, if asked for.
    """

    wire_bytes: int
    decoded_bytes: int
    is_match: bool
    is_whole: bool
    sha256: str = field(default="", compare=False)
    content: bytes = field(default=b"", compare=False, repr=False)


class BodyReader:
    """Counts a body and looks for a text in it without keeping more than it is told to.

    Reading stops at `max_bytes`, counted on the wire and after decoding, so that neither an endless
    body nor a small one that unpacks to gigabytes costs more. Text is compared as UTF-8.
    """

    def __init__(
        self, encoding: str, max_bytes: int, wanted_text: str, *, kept_bytes: int = 0
    ) -> None:
        self._unpacker = zlib.decompressobj(WINDOW_BITS_AUTOMATIC) if encoding in PACKED else None
        self._max_bytes = max_bytes
        self._wanted = wanted_text.encode()
        self._tail = b""
        self._wire_bytes = 0
        self._decoded_bytes = 0
        self._is_match = not self._wanted
        self._kept_bytes = kept_bytes
        self._content = bytearray()
        self._digest = hashlib.sha256()

    async def read(self, pieces: AsyncIterator[bytes]) -> Body:
        """The whole body, or as much of it as the limit allows. Raises: zlib.error."""
        is_whole = True
        async for piece in pieces:
            taken = piece[: self._max_bytes - self._wire_bytes]
            self._wire_bytes += len(taken)
            is_whole = self._take(taken) and taken == piece
            if not is_whole:
                break
        if is_whole and self._unpacker is not None:
            is_whole = self._count(self._unpacker.flush())
        return Body(
            wire_bytes=self._wire_bytes,
            decoded_bytes=self._decoded_bytes,
            is_match=self._is_match,
            is_whole=is_whole,
            sha256=self._digest.hexdigest(),
            content=bytes(self._content),
        )

    def _take(self, piece: bytes) -> bool:
        """Whether all of the piece was taken."""
        if self._unpacker is None:
            return self._count(piece)
        while piece:
            if not self._count(self._unpacker.decompress(piece, PIECE_BYTES)):
                return False
            piece = self._unpacker.unconsumed_tail
        return True

    def _count(self, decoded: bytes) -> bool:
        room = self._max_bytes - self._decoded_bytes
        taken = decoded[:room]
        self._decoded_bytes += len(taken)
        self._digest.update(taken)
        self._content += taken[: self._kept_bytes - len(self._content)]
        if not self._is_match:
            searched = self._tail + taken
            self._is_match = self._wanted in searched
            self._tail = searched[-(len(self._wanted) - 1) :] if len(self._wanted) > 1 else b""
        return len(decoded) <= room
