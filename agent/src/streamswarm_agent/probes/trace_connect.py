"""Flows of TCP connections, for paths on which only TCP passes; no privilege is needed."""

import asyncio
import socket
import struct
from collections import Counter
from dataclasses import dataclass

from streamswarm_agent.probes.error_queue import keep_errors, read_errors, set_ttl
from streamswarm_agent.probes.icmp_time import HostClocks, Moment, round_trip_seconds
from streamswarm_agent.probes.trace_answers import Answer, judge_error, read_labels
from streamswarm_agent.probes.trace_flows import FlowSettings, SocketFactory

SYN_WAIT_SECONDS = 0.95
"""Shorter than the second after which Linux sends a SYN again (RFC 6298)."""


@dataclass(slots=True)
class TcpFlow:
    """Connections of one 5-tuple, one after the other: there cannot be two of them at once.

    The answer of the target is its SYN-ACK or RST, timed by the program's own clock.
    """

    settings: FlowSettings
    clocks: HostClocks
    open_socket: SocketFactory
    errors: Counter[str]
    is_serial: bool = True
    unattributed_count: int = 0

    @property
    def number(self) -> int:
        """As in the settings."""
        return self.settings.number

    @property
    def source_port(self) -> int:
        """As in the settings."""
        return self.settings.source_port

    def ask(self, ttl: int) -> "asyncio.Future[Answer | None]":
        """As `Flow.ask`; the former probe must have ended."""
        return asyncio.ensure_future(self._connect(ttl))

    def close(self) -> None:
        """Nothing: each connection closes its own socket."""

    async def _connect(self, ttl: int) -> Answer | None:
        settings = self.settings
        with self.open_socket(settings.family, socket.SOCK_STREAM, 0) as opened:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            set_ttl(opened, ttl)
            keep_errors(opened)
            sent = self.clocks.read()
            try:
                opened.bind(("", settings.source_port))
                async with asyncio.timeout(min(settings.wait_seconds, SYN_WAIT_SECONDS)):
                    await asyncio.get_running_loop().sock_connect(opened, settings.destination)
            except TimeoutError:
                return None
            except ConnectionRefusedError:
                return self._answer_of_target(sent, "connection refused")
            except OSError as error:
                return self._explain(opened, error, sent)
            return self._answer_of_target(sent, "")

    def _answer_of_target(self, sent: Moment, text: str) -> Answer:
        seconds = round_trip_seconds(sent, self.clocks.read(), None)
        return Answer(self.settings.target, seconds, "reached", text)

    def _explain(self, opened: socket.socket, error: OSError, sent: Moment) -> Answer | None:
        seen = self.clocks.read()
        for said in read_errors(opened):
            judged = judge_error(self.settings.family, said, self.settings.target)
            if judged is None:
                continue
            seconds = round_trip_seconds(sent, seen, said.kernel_nanoseconds)
            labels = read_labels(said.quoted, said.extension_offset, self.settings.header_bytes)
            return Answer(said.offender, seconds, *judged, said.received_ttl, labels)
        self.errors[(error.strerror or str(error)).lower()] += 1
        return None
