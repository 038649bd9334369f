"""What the initiator of a transfer understands of what its peer says."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamswarm_agent.probes.stream_report import read_finite
from streamswarm_agent.probes.stream_transfer import DRAIN_SECONDS
from streamswarm_agent.probes.stream_wire import Channel, StreamRefused


async def expect(control: Channel, word: str) -> None:
    """Wait for the message that has that word. Raises: StreamRefused, TimeoutError, OSError."""
    async with asyncio.timeout(4 * DRAIN_SECONDS):
        message = await control.receive()
    if word not in message:
        raise StreamRefused(str(message.get("refusal", f"the peer did not say {word!r}"))[:200])


@contextmanager
def understanding() -> Iterator[None]:
    """Raises: StreamRefused where the peer's words are not what a peer says."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise StreamRefused("the peer's report is not understood") from error


def read_share(report: dict[str, Any]) -> float | None:
    """The peer's share of its processors; None when it does not know it."""
    share = report["cpu"]
    return None if share is None else read_finite(share)


def read_report(message: dict[str, Any]) -> dict[str, Any]:
    """The report that a message is. Raises: StreamRefused with what the peer says instead."""
    report = message.get("report")
    if not isinstance(report, dict):
        raise StreamRefused(str(message.get("refusal", "the peer gave no report"))[:200])
    return report
