"""WebSockets that cannot be made to wait for: whoever takes nothing for a while is cut off.

The servers are started with `--ws streamswarm.sockets:BoundedSocket`.
"""

import socket
from asyncio import BaseTransport, TimerHandle, Transport
from typing import Any, cast

import structlog
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

WAITING_BYTES = 32 * 1024
SENDING_BYTES = 64 * 1024
STALLED_SECONDS = 20.0

logger = structlog.get_logger(__name__)


class BoundedSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket with an end to its patience.

    `send` waits while more than `WAITING_BYTES` are on their way. Closing politely would wait for
    a reader as well, so what is stalled for `STALLED_SECONDS`, or leaves a ping or the closing
    handshake unanswered, is aborted.
    """

    stalled_seconds = STALLED_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stall_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        wired = cast("Transport", transport)
        wired.set_write_buffer_limits(high=WAITING_BYTES)
        line = wired.get_extra_info("socket")
        if line is not None:
            # The kernel would grow it to megabytes for a reader who does not come.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING_BYTES)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.forget_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.forget_stall()
        self.stall_timer = self.loop.call_later(self.stalled_seconds, self.cut_off)

    def resume_writing(self) -> None:
        self.forget_stall()
        super().resume_writing()

    def forget_stall(self) -> None:
        if self.stall_timer is not None:
            self.stall_timer.cancel()
            self.stall_timer = None

    def cut_off(self) -> None:
        logger.info("socket_stalled", seconds=self.stalled_seconds)
        self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
