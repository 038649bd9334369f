"""Events from a lower app to whoever above wants them, delivered after the commit.

A delivery can be lost when the process dies between commit and call, so subscribers
only queue work that a periodic task would also find.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.db import transaction

Event = TypeVar("Event")

logger = structlog.get_logger(__name__)

_subscribers: dict[type, list[Callable[[Any], None]]] = defaultdict(list)


def subscribe(event_type: type[Event], receive: Callable[[Event], None]) -> None:
    """Call `receive` with every published event of exactly this type."""
    if receive not in _subscribers[event_type]:
        _subscribers[event_type].append(receive)


def publish(event: object) -> None:
    """Deliver `event` once the current transaction is committed; at once outside of one."""
    transaction.on_commit(lambda: _deliver(event))


def _deliver(event: object) -> None:
    for receive in _subscribers[type(event)]:
        try:
            receive(event)
        except Exception:
            # The writer's work is committed; a subscriber's failure must not undo its answer.
            logger.exception("subscriber_failed", event_type=type(event).__name__)
