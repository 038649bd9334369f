"""The frames of one source in short steps, oldest first."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q, QuerySet

from apps.metrics.models import Frame
from apps.reports.selectors.fields import MomentText
from apps.reports.selectors.keyset import fetch

FRAMES_AT_ONCE = 300


class FrameRow(NamedTuple):
    """`values` is what the database has for them, `absent` the text of its JSON."""

    at: str
    seq: int
    layout_id: int
    values: Any
    absent: str | None


def read_frames(rows: QuerySet[Frame]) -> Iterator[list[FrameRow]]:
    """Frames that are of one source, 300 at a time."""
    ordered = rows.order_by("at", "seq")
    last: FrameRow | None = None
    while True:
        part = ordered if last is None else ordered.filter(match_later(last.at, last.seq))
        cells = part.values_list(
            MomentText(F("at")), F("seq"), F("layout_id"), F("values"), F("absent")
        )
        found = [FrameRow(*row) for row in fetch(cells[:FRAMES_AT_ONCE])]
        if found:
            yield found
        if len(found) < FRAMES_AT_ONCE:
            return
        last = found[-1]


def match_later(text: str, seq: int) -> Q:
    """The frames of a source behind that one."""
    at = datetime.fromisoformat(text)
    return Q(at__gte=at) & (Q(at__gt=at) | Q(at=at, seq__gt=seq))
