"""When a kind of model learns anew without anybody asking, and why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
# However much is new: not more often, and not for a handful of rows.
LEAST_PAUSE: Final = timedelta(hours=1)
NEW_SHARE: Final = 0.20
MOST_FALSE_SHARE: Final = 0.30
LEAST_FEEDBACK: Final = 10
# That so many were called wrong by chance alone, though no more than that share are.
CHANCE: Final = 0.05
WORDS: Final = {
    "agent": "the agent is {now}, it was {before}",
    "interfaces": "the interfaces are {now}, they were {before}",
    "path": "the path to the target is another one",
    "clients": "other clients run the test",
}


class Trigger(StrEnum):
    MANUAL = "manual"
    FIRST = "first"
    WEEKLY = "weekly"
    DRIFT = "drift"
    NEW_ROWS = "new_rows"
    FEEDBACK = "feedback"
    SURROUNDINGS = "surroundings"


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a kind of model and a scope; `since_training` is None before the first.

    Drift and feedback are only those that were found since that training, so that each asks once.
    `before` has the surroundings of that training, `now` those of the moment, by what they are.
    """

    row_count: int
    provisional: int
    trained_row_count: int = 0
    since_training: timedelta | None = None
    is_drifted: bool = False
    drifted_share: float = 0.0
    feedback_count: int = 0
    false_count: int = 0
    before: Mapping[str, str] = field(default_factory=dict)
    now: Mapping[str, str] = field(default_factory=dict)


def find_trigger(now: Situation) -> Trigger | None:
    """Why to train; None when there is no reason, or too little to learn from.

    What changed around it must have been measured for a day before it can be learned.
    """
    if now.row_count < now.provisional:
        return None
    if now.since_training is None:
        return Trigger.FIRST
    if now.since_training < LEAST_PAUSE:
        return None
    reasons = {
        Trigger.DRIFT: now.is_drifted,
        Trigger.FEEDBACK: is_called_wrong(now.false_count, now.feedback_count),
        Trigger.SURROUNDINGS: now.since_training >= DAY and bool(list_changes(now)),
        Trigger.NEW_ROWS: now.row_count >= (1 + NEW_SHARE) * now.trained_row_count,
        Trigger.WEEKLY: now.since_training >= WEEK,
    }
    return next((trigger for trigger, holds in reasons.items() if holds), None)


def explain_trigger(trigger: Trigger, now: Situation) -> str:
    """The reason in a sentence, with its figures."""
    days = (now.since_training or timedelta()) / DAY
    reasons = {
        Trigger.FIRST: f"{now.row_count} rows are there, {now.provisional} are needed",
        Trigger.DRIFT: f"{now.drifted_share:.0%} of the features have drifted",
        Trigger.FEEDBACK: f"{now.false_count} of {now.feedback_count} findings were called wrong",
        Trigger.SURROUNDINGS: "; ".join(list_changes(now)),
        Trigger.NEW_ROWS: f"{now.row_count} rows are there, it was {now.trained_row_count}",
        Trigger.WEEKLY: f"the last training was {days:.0f} days ago",
    }
    return reasons.get(trigger, "")


def is_called_wrong(false_count: int, count: int) -> bool:
    """Whether more than three tenths are wrong beyond chance (a one-sided binomial test, 5 %)."""
    return count >= LEAST_FEEDBACK and find_tail(false_count, count, MOST_FALSE_SHARE) <= CHANCE


def find_tail(hits: int, count: int, share: float) -> float:
    """The probability of at least so many hits of `count`, each with that share between 0 and 1."""
    terms = (
        math.lgamma(count + 1)
        - math.lgamma(one + 1)
        - math.lgamma(count - one + 1)
        + one * math.log(share)
        + (count - one) * math.log1p(-share)
        for one in range(max(hits, 0), count + 1)
    )
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def list_changes(now: Situation) -> list[str]:
    """What is known of both moments and not the same, in words."""
    return [
        words.format(before=now.before[name], now=now.now[name])
        for name, words in WORDS.items()
        if name in now.before and name in now.now and now.before[name] != now.now[name]
    ]
