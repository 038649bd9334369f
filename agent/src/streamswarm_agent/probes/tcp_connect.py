"""One TCP connection attempt, timed."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.base import Clock
from streamswarm_agent.probes.icmp_socket import set_traffic_class
from streamswarm_agent.probes.tcp_info import TcpDetails, read_tcp_details

SocketFactory = Callable[[socket.AddressFamily, socket.SocketKind], socket.socket]
Verdict = Literal["open", "refused", "silent", "error"]


@dataclass(frozen=True, slots=True)
class Connection:
    """What an attempt came to after `seconds`; `text` says more about an error.

    `details` is what the kernel knows of an open one; None where it tells nothing.
    """

    verdict: Verdict
    seconds: float
    text: str = ""
    details: TcpDetails | None = None


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to one address and port, and closes them at once."""

    clock: Clock
    address: str
    port: int
    timeout_seconds: float
    traffic_class: int = 0
    open_socket: SocketFactory = socket.socket

    async def connect(self) -> Connection:
        """Seconds of the monotonic clock from the SYN until the handshake is seen to be done.

        A RST gives `refused`, nothing within the time-out `silent`, an ICMP error or a missing
        route `error`. Raises: ProbeFailed when this host has no socket left to try with.
        """
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        try:
            opened = self.open_socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise ProbeFailed(f"no TCP socket: {error.strerror}") from error
        with opened:
            opened.setblocking(False)
            if self.traffic_class:
                set_traffic_class(opened, self.traffic_class)
            return await self._connect(opened)

    async def _connect(self, opened: socket.socket) -> Connection:
        destination = socket.getaddrinfo(
            self.address, self.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0][4]
        verdict: Verdict = "open"
        text = ""
        start = self.clock.monotonic()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await asyncio.get_running_loop().sock_connect(opened, destination)
        except TimeoutError:
            verdict, text = "silent", "no answer in time"
        except ConnectionRefusedError:
            verdict, text = "refused", "connection refused"
        except OSError as error:
            verdict, text = "error", (error.strerror or str(error)).lower()
        seconds = self.clock.monotonic() - start
        details = read_tcp_details(opened) if verdict == "open" else None
        return Connection(verdict, seconds, text, details)
