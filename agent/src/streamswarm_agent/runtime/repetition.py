"""Calls that are made again and again, whatever becomes of one of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from streamswarm_agent.errors import AgentError, CallRefused
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.runtime.clock import wait_for_event
from streamswarm_agent.transport.backoff import Backoff

logger = logging.getLogger(__name__)

_UNAUTHORIZED = 401
_BROKEN_SECONDS = 5.0


async def repeat_call(
    name: str,
    call: Callable[[], Awaitable[None]],
    *,
    period_seconds: Callable[[], float],
    wake: asyncio.Event,
    clock: Clock,
) -> None:
    """Make the call for ever: when woken or after its period, and with back-off while it fails.

    A wake-up never shortens a back-off. A failure is logged when it begins, changes and ends.
    """
    backoff = Backoff()
    last_failure = ""
    while True:
        try:
            await call()
        except AgentError as error:
            delay_seconds = backoff.next_delay_seconds(error)
            if str(error) != last_failure:
                last_failure = str(error)
                _log_failure(name, error, delay_seconds)
            await clock.sleep(delay_seconds)
        else:
            backoff.reset()
            if last_failure:
                logger.info("%s_works_again", name)
                last_failure = ""
            await wait_for_event(wake, clock, period_seconds())


async def keep_running(name: str, loop: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a loop that never ends; one that breaks is logged and begun again after 5 s."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("loop_broke name=%s", name)
        await clock.sleep(_BROKEN_SECONDS)


def _log_failure(name: str, error: AgentError, delay_seconds: float) -> None:
    if isinstance(error, CallRefused) and error.status == _UNAUTHORIZED:
        logger.error(
            "key_refused code=%s reason=%s; measuring goes on, nothing is uploaded; enrol again",
            error.code,
            error.detail,
        )
        return
    logger.warning("%s_failed reason=%s retry_seconds=%.1f", name, error, delay_seconds)
