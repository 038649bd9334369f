"""The TCP port on which an agent answers: open only while a run is, one for all runs at once."""

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

from streamswarm_agent.probes.responders.ports import SharedPorts, open_sockets
from streamswarm_agent.probes.responders.udp_session import MAPPED_IPV4
from streamswarm_agent.probes.stream_wire import (
    GREETING_BYTES,
    Channel,
    StreamKeys,
    StreamRefused,
    challenge,
    read_greeting,
    receive_exactly,
)

GREETING_SECONDS = 5.0
MOST_STRANGERS = 64
MOST_STRANGERS_AN_ADDRESS = 8
"""Connections that have not proved themselves yet; for one more, the oldest of them is closed."""
IPV6_NETWORK_BYTES = 8
"""Whoever has an IPv6 address has the others with the same first bytes."""
BACKLOG = 64
IPV4 = 4


class StreamSession(Protocol):
    """One run on the port."""

    keys: StreamKeys
    allowed_address: str

    def join(self, number: int, channel: Channel) -> None:
        """Take a connection that holds the run's key."""


class StreamPort:
    """The listening sockets, one of each IP version, and the runs behind them."""

    def __init__(self, bind_address: str, port: int) -> None:
        """Raises: ProbeFailed when it cannot listen."""
        self._sessions: dict[bytes, StreamSession] = {}
        self._strangers: dict[asyncio.Task[None], bytes] = {}
        self._sockets = open_sockets(
            bind_address, port, open_listener, transport="TCP", backlog=BACKLOG
        )
        self._accepting = [asyncio.create_task(self._accept(one)) for one in self._sockets]

    @property
    def is_idle(self) -> bool:
        """Whether no run is left."""
        return not self._sessions

    def add(self, session: StreamSession) -> None:
        """Hand it the connections that greet as its run."""
        self._sessions[session.keys.tag] = session

    def remove(self, session: StreamSession) -> None:
        """Hand it nothing any more."""
        self._sessions.pop(session.keys.tag, None)

    def close(self) -> None:
        """Give the port back."""
        for task in (*self._accepting, *self._strangers):
            task.cancel()
        loop = asyncio.get_running_loop()
        for opened in self._sockets:
            # Now, not when the cancelled task comes to it: its descriptor may be another's by then.
            loop.remove_reader(opened)
            opened.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                opened, source = await loop.sock_accept(listening)
            except OSError:
                # Gone again before it was accepted, or no descriptor left: others may still come.
                await asyncio.sleep(GREETING_SECONDS / BACKLOG)
                continue
            opened.setblocking(False)
            address = str(source[0])
            if not any(_may_join(session, address) for session in self._sessions.values()):
                opened.close()
                continue
            network = find_network(address)
            self._make_room(network)
            task = asyncio.create_task(self._greet(opened, address))
            self._strangers[task] = network
            task.add_done_callback(self._strangers.pop)
            # A flood leaves the others their turn, and each connection the start of its task.
            await asyncio.sleep(0)

    def _make_room(self, network: bytes) -> None:
        """End the oldest connection without proof of the network, or else of all, if it must be.

        Silent connections thus keep nobody out: whoever has the key proves it in a round trip.
        """
        waiting = [task for task in self._strangers if not task.cancelling()]
        neighbours = [task for task in waiting if self._strangers[task] == network]
        if len(neighbours) >= MOST_STRANGERS_AN_ADDRESS:
            neighbours[0].cancel()
        elif len(waiting) >= MOST_STRANGERS:
            waiting[0].cancel()

    async def _greet(self, opened: socket.socket, address: str) -> None:
        is_proved = False
        try:
            with suppress(TimeoutError, OSError, StreamRefused):
                async with asyncio.timeout(GREETING_SECONDS):
                    greeting = read_greeting(await receive_exactly(opened, GREETING_BYTES))
                    session = self._sessions.get(greeting.tag) if greeting else None
                    if greeting is None or session is None or not _may_join(session, address):
                        return
                    channel = await challenge(opened, session.keys, greeting)
                    is_proved = True
                    session.join(greeting.number, channel)
        finally:
            if not is_proved:
                opened.close()


class StreamPorts(SharedPorts[StreamSession]):
    """Those of a process or of a test."""

    def __init__(self) -> None:
        super().__init__(StreamPort)


SHARED_STREAM_PORTS = StreamPorts()
"""Those of the process."""


def open_listener(family: int) -> socket.socket:
    """A TCP socket of the address family that may be bound beside one of the other."""
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return opened


def find_network(address: str) -> bytes:
    """What tells apart who may be behind an address: all of IPv4, the first half of IPv6."""
    parsed = ip_address(address.partition("%")[0].removeprefix(MAPPED_IPV4))
    return parsed.packed if parsed.version == IPV4 else parsed.packed[:IPV6_NETWORK_BYTES]


def _may_join(session: StreamSession, address: str) -> bool:
    plain = address.partition("%")[0].removeprefix(MAPPED_IPV4)
    return session.allowed_address in {"", plain}
