"""How long to wait after a call that failed."""

from collections.abc import Callable
from random import uniform

from streamswarm_agent.errors import AgentError, CallRefused

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 60.0
_KEY_REFUSED_SECONDS = 60.0
_UNAUTHORIZED = 401


class Backoff:
    """Waits that double from 1 s to 60 s, spread at random so that agents do not march in step.

    A server that says `Retry-After` is given at least that long, times 1.0 to 1.5.
    """

    def __init__(self, spread: Callable[[float, float], float] = uniform) -> None:
        self._spread = spread
        self._failures = 0

    def reset(self) -> None:
        """Begin again at 1 s: a call has worked."""
        self._failures = 0

    def next_delay_seconds(self, error: AgentError) -> float:
        """Seconds to wait after this failure."""
        if isinstance(error, CallRefused):
            if error.retry_after_seconds is not None:
                return error.retry_after_seconds * self._spread(1.0, 1.5)
            if error.status == _UNAUTHORIZED:
                return _KEY_REFUSED_SECONDS
        doubled_seconds = _FIRST_SECONDS * 2.0 ** min(self._failures, 16)
        self._failures += 1
        return min(_LONGEST_SECONDS, doubled_seconds) * self._spread(0.5, 1.5)
