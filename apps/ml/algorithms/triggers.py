"""When a kind of model learns anew without anybody asking."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

WEEK: Final = timedelta(days=7)
# However much is new: not more often, and not for a handful of rows.
LEAST_PAUSE: Final = timedelta(hours=1)
NEW_SHARE: Final = 0.20
MOST_FALSE_SHARE: Final = 0.30
LEAST_FEEDBACK: Final = 10


class Trigger(StrEnum):
    MANUAL = "manual"
    FIRST = "first"
    WEEKLY = "weekly"
    DRIFT = "drift"
    NEW_ROWS = "new_rows"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a kind of model and a scope; `since_training` is None before the first."""

    row_count: int
    provisional: int
    trained_row_count: int = 0
    since_training: timedelta | None = None
    is_drifted: bool = False
    feedback_count: int = 0
    false_count: int = 0


def find_trigger(now: Situation) -> Trigger | None:
    """Why to train; None when there is no reason, or too little to learn from."""
    if now.row_count < now.provisional:
        return None
    if now.since_training is None:
        return Trigger.FIRST
    if now.since_training < LEAST_PAUSE:
        return None
    has_feedback = now.feedback_count >= LEAST_FEEDBACK
    reasons = {
        Trigger.DRIFT: now.is_drifted,
        Trigger.FEEDBACK: has_feedback and now.false_count > MOST_FALSE_SHARE * now.feedback_count,
        Trigger.NEW_ROWS: now.row_count >= (1 + NEW_SHARE) * now.trained_row_count,
        Trigger.WEEKLY: now.since_training >= WEEK,
    }
    return next((trigger for trigger, holds in reasons.items() if holds), None)
