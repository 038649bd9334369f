"""Ports on which an agent answers: open only while a run is, one for all runs at once."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from streamswarm_agent.errors import ProbeFailed

Session = TypeVar("Session")
Session_contra = TypeVar("Session_contra", contravariant=True)

WILDCARDS: Mapping[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - only the run's key gets an answer


class Port(Protocol[Session_contra]):
    """Open sockets and the runs behind them."""

    @property
    def is_idle(self) -> bool:
        """Whether no run is left."""

    def add(self, session: Session_contra) -> None:
        """Hand it what comes for its run."""

    def remove(self, session: Session_contra) -> None:
        """Hand it nothing any more."""

    def close(self) -> None:
        """Give the port back."""


class SharedPorts(Generic[Session]):
    """Opens each port with its first run and closes it with its last."""

    def __init__(self, open_port: Callable[[str, int], Port[Session]]) -> None:
        """`open_port` takes the address, empty for all, and the number."""
        self._open_port = open_port
        self._ports: dict[tuple[str, int], Port[Session]] = {}

    @contextmanager
    def listen(self, session: Session, *, bind_address: str, port: int) -> Iterator[None]:
        """Hand the session what comes for it until the block ends. Raises: ProbeFailed."""
        place = (bind_address, port)
        shared = self._ports.get(place)
        if shared is None:
            shared = self._ports[place] = self._open_port(bind_address, port)
        shared.add(session)
        try:
            yield
        finally:
            shared.remove(session)
            if shared.is_idle:
                del self._ports[place]
                shared.close()


def open_sockets(
    bind_address: str,
    port: int,
    open_socket: Callable[[int], socket.socket],
    *,
    transport: str,
    backlog: int = 0,
) -> list[socket.socket]:
    """A socket at the address, or for an empty one at every address of each IP version.

    `open_socket` makes one of an address family, not yet bound; with a `backlog` they listen.
    Raises: ProbeFailed when there would be none; it names the transport and the port.
    """
    if bind_address:
        families = [socket.AF_INET6 if ":" in bind_address else socket.AF_INET]
    else:
        families = [socket.AF_INET, socket.AF_INET6]
    sockets, refusals = [], []
    for family in families:
        try:
            opened = open_socket(family)
        except OSError as error:
            refusals.append(str(error))
            continue
        try:
            opened.bind((bind_address or WILDCARDS[family], port))
            if backlog:
                opened.listen(backlog)
        except OSError as error:
            opened.close()
            refusals.append(str(error))
        else:
            sockets.append(opened)
    if not sockets:
        raise ProbeFailed(f"cannot listen on {transport} port {port}: {'; '.join(refusals)}")
    return sockets
