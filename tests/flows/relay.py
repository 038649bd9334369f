"""A line to the server that cuts every WebSocket, and on demand loses the answers to calls."""

import socket
from collections.abc import Callable, Iterator
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
        # Calls then take effect on the server, and nobody gets to know.
        self.is_losing_answers = False

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
            back = Thread(target=self._pump_answers, args=(upstream,), daemon=True)
            back.start()
            pump(self.request, upstream)
            back.join()

    def _pump_answers(self, upstream: socket.socket) -> None:
        pump(upstream, self.request, is_cut=lambda: self.server.is_losing_answers)


def pump(
    source: socket.socket, sink: socket.socket, is_cut: Callable[[], bool] = lambda: False
) -> None:
    """Copies until either side closes or the line is cut, of which the sink hears at once."""
    with suppress(OSError):
        while (piece := source.recv(CHUNK_BYTES)) and not is_cut():
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR if is_cut() else socket.SHUT_WR)


@contextmanager
def run_relay(port: int) -> Iterator[Relay]:
    """A relay to the server on that port of this host."""
    with Relay(port) as relay:
        Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        yield relay
        relay.shutdown()
