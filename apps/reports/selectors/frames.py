"""The frames of one source in short steps, oldest first."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet

from apps.metrics.models import Frame
from apps.reports.selectors.fields import MomentText
from apps.reports.selectors.keyset import fetch

FIRST_FRAMES = 20
FRAMES_AT_ONCE = 300
# Frames may be of one number or of hundreds, and each becomes a row.
VALUES_AT_ONCE = 5_000
BYTES_PER_NUMBER = 8


class FrameRow(NamedTuple):
    """`values` is what the database has for them, `absent` the text of its JSON."""

    at: str
    seq: int
    layout_id: int
    values: Any
    absent: str | None


def read_frames(rows: QuerySet[Frame]) -> Iterator[list[FrameRow]]:
    """Frames that are of one source, up to 300 at a time, with about 5,000 values."""
    ordered = rows.order_by("at", "seq")
    last: FrameRow | None = None
    size = min(FIRST_FRAMES, FRAMES_AT_ONCE)
    while True:
        part = ordered if last is None else ordered.filter(match_later(last.at, last.seq))
        cells = part.values_list(
            MomentText(F("at")), F("seq"), F("layout_id"), F("values"), F("absent")
        )
        found = [FrameRow(*row) for row in fetch(cells[:size])]
        if found:
            yield found
        if len(found) < size:
            return
        last = found[-1]
        size = max(1, min(FRAMES_AT_ONCE, VALUES_AT_ONCE // count_values(last.values)))


def count_values(stored: Any) -> int:
    """About how many numbers a frame has, at least one; SQLite stores them as packed bytes."""
    is_packed = isinstance(stored, bytes | memoryview)
    return max(1, len(stored) // BYTES_PER_NUMBER if is_packed else len(stored))


def match_later(text: str, seq: int) -> Q:
    """The frames of a source behind that one."""
    at = datetime.fromisoformat(text)
    return Q(at__gte=at) & (Q(at__gt=at) | Q(at=at, seq__gt=seq))
