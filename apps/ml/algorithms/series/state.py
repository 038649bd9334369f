"""The state of a detector as bytes, and back: what it says afterwards is the same, bit for bit."""

import struct
import zlib

from apps.ml.algorithms.series.detector import SeriesDetector

VERSION = b"SD01"
NUMBERS = struct.Struct("<6d2H")
CHECKSUM = struct.Struct("<I")


def write_state(detector: SeriesDetector) -> bytes:
    """At most 32 kB. No pickle: a version, numbers in a fixed order, and a checksum of them."""
    jump = detector.jump
    parts = [
        VERSION,
        NUMBERS.pack(
            detector.interval_seconds,
            detector.last_at,
            detector.origin,
            jump.offset,
            jump.scale,
            jump.previous,
            len(detector.gaps),
            len(detector.times),
        ),
        struct.pack(f"<{len(detector.gaps)}d", *detector.gaps),
        struct.pack(f"<{len(detector.times)}d", *detector.times),
        detector.recent.to_bytes(),
        *(peak.to_bytes() for peak in detector.peaks),
        detector.stretch.alignments.to_bytes(detector.count),
    ]
    written = b"".join(parts)
    return written + CHECKSUM.pack(zlib.crc32(written))


def read_state(stored: bytes) -> SeriesDetector:
    """The detector that `write_state` wrote.

    Raises: ValueError when it is damaged, or of another version.
    """
    written, checksum = stored[: -CHECKSUM.size], stored[-CHECKSUM.size :]
    if not written.startswith(VERSION):
        raise ValueError("is no state of this version of the detector")
    if CHECKSUM.pack(zlib.crc32(written)) != checksum:
        raise ValueError("is damaged: its checksum is another one")
    detector = SeriesDetector()
    jump = detector.jump
    (
        detector.interval_seconds,
        detector.last_at,
        detector.origin,
        jump.offset,
        jump.scale,
        jump.previous,
        gaps,
        times,
    ) = NUMBERS.unpack_from(written, len(VERSION))
    offset = len(VERSION) + NUMBERS.size
    detector.gaps = list(struct.unpack_from(f"<{gaps}d", written, offset))
    offset += 8 * gaps
    detector.times = list(struct.unpack_from(f"<{times}d", written, offset))
    offset = detector.recent.restore(written, offset + 8 * times)
    for peak in detector.peaks:
        offset = peak.restore(written, offset)
    detector.stretch.alignments.restore(written, offset, detector.count)
    return detector
