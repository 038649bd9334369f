"""A line to the server that lets calls through and cuts every WebSocket."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

CHUNK_BYTES = 65_536


class Relay(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), RelayHandler)
        self.server_port = port
        self.cut_sockets = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class RelayHandler(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        first = self.request.recv(CHUNK_BYTES)
        if first.startswith(b"GET /ws/"):
            self.server.cut_sockets += 1
            return
        with socket.create_connection(("127.0.0.1", self.server.server_port)) as upstream:
            upstream.sendall(first)
            back = Thread(target=pump, args=(upstream, self.request), daemon=True)
            back.start()
            pump(self.request, upstream)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copies until either side closes."""
    with suppress(OSError):
        while piece := source.recv(CHUNK_BYTES):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def run_relay(port: int) -> Iterator[Relay]:
    """A relay to the server on that port of this host."""
    with Relay(port) as relay:
        Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        yield relay
        relay.shutdown()
