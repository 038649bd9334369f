"""The WebSocket over which the server wakes the agent; without it polling goes on."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from streamswarm_agent.errors import AgentError, CallFailed, CallRefused
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.connection import USER_AGENT

logger = logging.getLogger(__name__)

_KEEPALIVE_SECONDS = 20.0
_LARGEST_MESSAGE_BYTES = 4096
_KEY_REFUSED = 4401
_PROVEN_SECONDS = 60.0


async def listen_for_nudges(
    server_url: str,
    key: str,
    *,
    tls: ssl.SSLContext,
    on_nudge: Callable[[str], None],
    proxy: str | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Call `on_nudge` with every word the server sends, for ever, reconnecting with back-off."""
    backoff = Backoff()
    while True:
        error: AgentError
        try:
            await _listen_once(_Door(server_url, key, tls, proxy), on_nudge, backoff)
            error = CallFailed("the server closed the socket")
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            error = CallRefused(status, "socket_refused", f"the socket was refused: {status}")
        except ConnectionClosed as failure:
            error = _explain_close(failure)
        except (OSError, TimeoutError, WebSocketException) as failure:
            error = CallFailed(f"socket: {failure or type(failure).__name__}")
        delay_seconds = backoff.next_delay_seconds(error)
        logger.info("socket_lost reason=%s retry_seconds=%.1f", error, delay_seconds)
        await sleep(delay_seconds)


@dataclass(frozen=True, slots=True)
class _Door:
    """Where the socket is opened, and how."""

    server_url: str
    key: str
    tls: ssl.SSLContext
    proxy: str | None


async def _listen_once(door: _Door, on_nudge: Callable[[str], None], backoff: Backoff) -> None:
    is_secure = door.server_url.startswith("https:")
    async with connect(
        f"ws{door.server_url.removeprefix('http')}/ws/agent/",
        additional_headers={"Authorization": f"Agent {door.key}"},
        user_agent_header=USER_AGENT,
        ssl=door.tls if is_secure else None,
        proxy=door.proxy,
        ping_interval=_KEEPALIVE_SECONDS,
        ping_timeout=_KEEPALIVE_SECONDS,
        max_size=_LARGEST_MESSAGE_BYTES,
    ) as socket:
        logger.info("socket_open")
        opened_at = asyncio.get_running_loop().time()
        try:
            async for message in socket:
                if word := _read_nudge(message):
                    on_nudge(word)
        finally:
            # Only a socket that lasted proves a server that wants us: one that accepts and closes,
            # whatever it says, must not be hammered.
            if asyncio.get_running_loop().time() - opened_at > _PROVEN_SECONDS:
                backoff.reset()


def _explain_close(failure: ConnectionClosed) -> AgentError:
    if failure.rcvd is not None and failure.rcvd.code == _KEY_REFUSED:
        return CallRefused(401, "key_refused", "the server refused the key")
    return CallFailed(f"socket: {failure}")


def _read_nudge(message: str | bytes) -> str | None:
    try:
        word = json.loads(message)["nudge"]
    except (ValueError, KeyError, TypeError):
        return None
    return word if isinstance(word, str) else None
