"""The server's port in a namespace of the laboratory, from which nothing else leads out."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from streamswarm_agent.laboratory.devices import enter_namespace
from streamswarm_agent.laboratory.namespaces import Namespace

CHUNK_BYTES = 65_536


@contextmanager
def open_doorway(namespace: Namespace, port: int) -> Iterator[None]:
    """That port of loopback in there is the one out here, until the block ends."""
    with enter_namespace(namespace.name):
        listener = socket.create_server(("127.0.0.1", port))
    Thread(target=take_callers, args=(listener, port), daemon=True).start()
    try:
        yield
    finally:
        # Closing alone leaves the thread that waits in accept where it is.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def take_callers(listener: socket.socket, port: int) -> None:
    while True:
        try:
            caller = listener.accept()[0]
        except OSError:
            return
        Thread(target=join_both, args=(caller, port), daemon=True).start()


def join_both(caller: socket.socket, port: int) -> None:
    with caller, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        back = Thread(target=copy, args=(server, caller), daemon=True)
        back.start()
        copy(caller, server)
        back.join()


def copy(source: socket.socket, sink: socket.socket) -> None:
    """All that comes, and then the end."""
    with suppress(OSError):
        while piece := source.recv(CHUNK_BYTES):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
