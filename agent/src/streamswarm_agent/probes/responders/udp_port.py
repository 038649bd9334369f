"""The UDP port on which an agent answers: open only while a run is, one for all runs at once."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from streamswarm_agent.probes.datagram_socket import (
    Datagram,
    open_udp_socket,
    receive_datagrams,
    send_answer,
)
from streamswarm_agent.probes.responders.ports import SharedPorts, open_sockets
from streamswarm_agent.probes.session_packet import PACKET_BYTES, TAG

Answer = Callable[[bytes, int], None]
"""Sends these bytes back, with this traffic class."""


class PortSession(Protocol):
    """One run on the port; `tag` is what its packets have in octets 26 and 27."""

    tag: int

    def take(self, datagram: Datagram, answer: Answer) -> bool:
        """Whether the datagram is the run's; if so, it is answered with at most its length."""


class UdpPort:
    """The open sockets, one of each IP version, and the runs that listen there."""

    def __init__(self, bind_address: str, port: int) -> None:
        """Raises: ProbeFailed when it cannot listen."""
        self._sessions: dict[int, list[PortSession]] = {}
        self._sockets = open_sockets(bind_address, port, open_udp_socket, transport="UDP")
        self._loop = asyncio.get_running_loop()
        for opened in self._sockets:
            self._loop.add_reader(opened, self._receive, opened)

    @property
    def is_idle(self) -> bool:
        """Whether no run is left."""
        return not self._sessions

    def add(self, session: PortSession) -> None:
        """Hand it what has its tag."""
        self._sessions.setdefault(session.tag, []).append(session)

    def remove(self, session: PortSession) -> None:
        """Hand it nothing any more."""
        neighbours = self._sessions[session.tag]
        neighbours.remove(session)
        if not neighbours:
            del self._sessions[session.tag]

    def close(self) -> None:
        """Give the port back."""
        for opened in self._sockets:
            self._loop.remove_reader(opened)
            opened.close()

    def _receive(self, opened: socket.socket) -> None:
        # An error is about an answer that could not be delivered: the other end is gone.
        with suppress(OSError):
            for datagram in receive_datagrams(opened):
                if len(datagram.payload) >= PACKET_BYTES:
                    self._deliver(opened, datagram)

    def _deliver(self, opened: socket.socket, datagram: Datagram) -> None:
        def answer(payload: bytes, traffic_class: int) -> None:
            # A full send buffer or a vanished route loses the answer, as the path may.
            with suppress(OSError):
                send_answer(opened, payload, datagram, traffic_class)

        tag = int.from_bytes(datagram.payload[TAG])
        for session in self._sessions.get(tag, ()):
            if session.take(datagram, answer):
                return


class UdpPorts(SharedPorts[PortSession]):
    """Those of a process or of a test."""

    def __init__(self) -> None:
        super().__init__(UdpPort)


SHARED_PORTS = UdpPorts()
"""Those of the process: kinds of test share their port."""
