"""A relay of TCP connections that counts what passes through it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import SHUT_WR, create_connection, socket

CHUNK_BYTES = 65_536


@dataclass(slots=True)
class Tally:
    """Bytes and connections so far; `outward` is what the one who connected has sent."""

    outward_bytes: int = 0
    homeward_bytes: int = 0
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Relay:
    url: str
    tally: Tally


@contextmanager
def run_relay(port: int) -> Iterator[Relay]:
    """A relay to a port of this host, on a port of its own."""
    tally = Tally()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with tally.lock:
                tally.connections += 1
            with create_connection(("127.0.0.1", port)) as onward:
                outward = threading.Thread(
                    target=pass_on, args=(self.request, onward, tally, "outward_bytes"), daemon=True
                )
                outward.start()
                pass_on(onward, self.request, tally, "homeward_bytes")
                outward.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Relay(f"http://127.0.0.1:{server.server_address[1]}", tally)
        server.shutdown()


def pass_on(source: socket, target: socket, tally: Tally, direction: str) -> None:
    """Hand over what arrives until one end has enough."""
    try:
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
            with tally.lock:
                setattr(tally, direction, getattr(tally, direction) + len(chunk))
        target.shutdown(SHUT_WR)
    except OSError:
        source.close()
