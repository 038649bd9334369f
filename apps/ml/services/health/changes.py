"""The history of scores: a row for each step that means something."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from apps.configuration.selectors import read_whole
from apps.ml.algorithms.health import find_band
from apps.ml.models import HealthChange, HealthScore

LEAST_STEP = 2
FORGOTTEN_AT_ONCE = 5000


def note_changes(rows: Sequence[HealthScore], *, now: datetime) -> list[HealthChange]:
    """Make the rows of history, and say on each of `rows` what its history says last.

    The caller stores both; a step of less than two points inside a band is left out.
    """
    changes = []
    for row in rows:
        if row.noted_at is None or is_step(row.noted_score, row.score):
            changes.append(HealthChange(subject=row, at=now, score=row.score))
            row.noted_score, row.noted_at = row.score, now
    return changes


def is_step(before: int | None, after: int | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= LEAST_STEP or find_band(before) is not find_band(after)


def forget_changes(now: datetime) -> int:
    """How many rows of history older than the results are kept were forgotten.

    The last before that stays: it says what holds at the beginning.
    """
    until = now - timedelta(days=read_whole("result_retention_days"))
    old = HealthChange.objects.filter(at__lt=until).order_by("at")
    pairs = list(old.values_list("id", "subject_id")[:FORGOTTEN_AT_ONCE])
    newest = {subject: identifier for identifier, subject in pairs}
    doomed = [identifier for identifier, subject in pairs if newest[subject] != identifier]
    return HealthChange.objects.filter(id__in=doomed).delete()[0]
