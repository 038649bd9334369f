"""The line between agent and server, to which everything can happen that happens to networks."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Lock, Thread

CHUNK_BYTES = 65_536
SLICE_SECONDS = 0.05
CONNECT_SECONDS = 5.0
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line(ThreadingTCPServer):
    """Passes on bytes between agents and the server on a port of this host, until told otherwise.

    `is_refusing` resets new connections, `is_losing_answers` lets calls take effect and cuts the
    connection instead of answering, `bits_per_second` is a slow line; `freeze` is a black hole.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), LineHandler)
        self.server_port = port
        self.is_refusing = False
        self.is_losing_answers = False
        self.bits_per_second: float | None = None
        self.accepted_count = 0
        self._moving = Event()
        self._moving.set()
        self._lock = Lock()
        self._connections: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def freeze(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._moving.clear()

    def thaw(self) -> None:
        """What was under way arrives late, as after retransmission."""
        self._moving.set()

    def reset(self) -> None:
        """Ends every connection with RST, on both sides, whatever is under way."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it

    def restore(self) -> None:
        """A good line again, for connections that are made from now on and those that lasted."""
        self.is_refusing = self.is_losing_answers = False
        self.bits_per_second = None
        self.thaw()

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            self.accepted_count += 1

    def drop(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)
        with suppress(OSError):
            connection.close()

    def pass_on(self, piece: bytes, sink: socket.socket) -> None:
        """Hands the bytes over at the line's speed, when it moves."""
        while piece:
            self._moving.wait()
            rate = self.bits_per_second
            if rate is None:
                sink.sendall(piece)
                return
            count = max(1, int(rate / 8 * SLICE_SECONDS))
            sink.sendall(piece[:count])
            piece = piece[count:]
            Event().wait(SLICE_SECONDS)


class LineHandler(BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        line = self.server
        if line.is_refusing:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            return
        try:
            upstream = socket.create_connection(
                ("127.0.0.1", line.server_port), timeout=CONNECT_SECONDS
            )
        except OSError:
            return
        upstream.settimeout(None)
        ends = (self.request, upstream)
        for end in ends:
            line.add(end)
        back = Thread(target=self._pump, args=(upstream, self.request), daemon=True)
        back.start()
        self._pump(self.request, upstream)
        back.join()
        for end in ends:
            line.drop(end)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Copies until a side closes; the other one hears of it."""
        line = self.server
        is_answering = sink is self.request
        with suppress(OSError):
            while piece := source.recv(CHUNK_BYTES):
                if is_answering and line.is_losing_answers:
                    sink.shutdown(socket.SHUT_RDWR)
                    break
                line.pass_on(piece, sink)
        if is_being_reset(source):
            return
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """A linger of zero turns the close into a reset; the base class would say goodbye first."""
        with suppress(OSError):
            self.request.close()


def is_being_reset(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESET_ON_CLOSE


@contextmanager
def run_line(port: int) -> Iterator[Line]:
    """A line to the server on that port of this host."""
    with Line(port) as line:
        Thread(target=line.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield line
        finally:
            line.restore()
            line.reset()
            line.shutdown()
