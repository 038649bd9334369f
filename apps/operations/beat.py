import time
from typing import Any

from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler

from apps.operations.liveness import BEAT_NAME, leave_mark

MARK_EVERY_SECONDS = 2.0


class MarkingScheduler(DatabaseScheduler):  # type: ignore[misc]  # celery ships no types
    """Beat's own scheduler, which leaves a mark while it ticks: without one it has hung."""

    _marked = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        seconds: float = super().tick(*args, **kwargs)
        now = time.monotonic()
        if now - self._marked >= MARK_EVERY_SECONDS:
            self._marked = now
            leave_mark(settings.VAR_DIR, BEAT_NAME)
        return seconds
