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
    wait_until_writable,
)
from streamswarm_agent.probes.responders.ports import SharedPorts, open_sockets
from streamswarm_agent.probes.session_packet import PACKET_BYTES, TAG

Answer = Callable[[bytes, int], None]
"""Sends these bytes back, with this traffic class."""


class ReturnWay:
    """Where a datagram came from; called, it answers it and may lose the answer, as a path may."""

    def __init__(self, opened: socket.socket, datagram: Datagram, traffic_class: int = 0) -> None:
        self._opened = opened
        self._datagram = datagram
        self._traffic_class = traffic_class

    def __call__(self, payload: bytes, traffic_class: int) -> None:
        # A full send buffer or a vanished route loses the answer.
        with suppress(OSError):
            send_answer(self._opened, payload, self._datagram, traffic_class)

    def marked(self, traffic_class: int) -> "ReturnWay":
        """The same way for packets of that class."""
        return ReturnWay(self._opened, self._datagram, traffic_class)

    def send(self, packet: bytes) -> None:
        """Raises: BlockingIOError when the host's queue is full; OSError when nothing can leave."""
        send_answer(self._opened, packet, self._datagram, self._traffic_class)

    def wait(self, seconds: float) -> None:
        """Until the queue has room, at most for so long."""
        wait_until_writable(self._opened, seconds)


class PortSession(Protocol):
    """One run on the port; `tag` is what its packets have in octets 26 and 27."""

    tag: int

    def take(self, datagram: Datagram, answer: ReturnWay) -> bool:
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
        answer = ReturnWay(opened, datagram)
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
