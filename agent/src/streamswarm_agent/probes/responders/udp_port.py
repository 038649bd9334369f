"""The UDP port on which an agent answers: open only while a run is, one for all runs at once."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.datagram_socket import (
    Datagram,
    open_udp_socket,
    receive_datagrams,
    send_answer,
)
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
        self._sockets = open_sockets(bind_address, port)
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


class UdpPorts:
    """Opens each port with its first run and closes it with its last."""

    def __init__(self) -> None:
        self._ports: dict[tuple[str, int], UdpPort] = {}

    @contextmanager
    def listen(self, session: PortSession, *, bind_address: str, port: int) -> Iterator[None]:
        """Hand the session its packets until the block ends. Raises: ProbeFailed."""
        place = (bind_address, port)
        shared = self._ports.get(place)
        if shared is None:
            shared = self._ports[place] = UdpPort(bind_address, port)
        shared.add(session)
        try:
            yield
        finally:
            shared.remove(session)
            if shared.is_idle:
                del self._ports[place]
                shared.close()


SHARED_PORTS = UdpPorts()
"""Those of the process: kinds of test share their port."""

WILDCARDS: Mapping[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - only the run's key gets an answer


def open_sockets(bind_address: str, port: int) -> list[socket.socket]:
    """A socket at the address, or for an empty one at every address of each IP version.

    Raises: ProbeFailed when there would be none.
    """
    if bind_address:
        families = [socket.AF_INET6 if ":" in bind_address else socket.AF_INET]
    else:
        families = [socket.AF_INET, socket.AF_INET6]
    sockets, refusals = [], []
    for family in families:
        try:
            opened = open_udp_socket(family)
        except OSError as error:
            refusals.append(str(error))
            continue
        try:
            opened.bind((bind_address or WILDCARDS[family], port))
        except OSError as error:
            opened.close()
            refusals.append(str(error))
        else:
            sockets.append(opened)
    if not sockets:
        raise ProbeFailed(f"cannot listen on UDP port {port}: {'; '.join(refusals)}")
    return sockets
