"""Whether the server's clock may be believed by those who forget what is old."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from apps.metrics.models import ClockMark

logger = structlog.get_logger(__name__)

ONLY_ROW = 1
# Longer than the pauses of a server that runs; a clock that is put right moves less.
LONGEST_PAUSE = timedelta(days=2)
LARGEST_STEP_BACK = timedelta(hours=2)
# So long somebody has to notice a clock that jumped; until then only the disk pays for it.
PROBATION = timedelta(days=1)


@transaction.atomic
def is_clock_steady(now: datetime) -> bool:
    """Whether the clock has run for a day without a jump since it was last asked.

    A jump is more than two days forward or two hours back. A server that was off for longer looks
    the same and also waits a day. On a new database the clock is believed.
    """
    mark = ClockMark.objects.select_for_update().filter(id=ONLY_ROW).first()
    if mark is None:
        mark = ClockMark(id=ONLY_ROW, read_at=now, steady_since=now - 2 * PROBATION)
    elif not -LARGEST_STEP_BACK <= now - mark.read_at <= LONGEST_PAUSE:
        logger.warning("clock_jumped", before=mark.read_at.isoformat(), now=now.isoformat())
        mark.steady_since = now
    mark.read_at = now
    mark.save()
    return now - mark.steady_since >= PROBATION
