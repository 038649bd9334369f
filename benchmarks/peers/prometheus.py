"""Prometheus 2.42: remote write, a series for each metric of each client."""

import ctypes
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.peers.packages import LIBRARIES, PeerMissingError, Unpacked, unpack
from benchmarks.peers.system import (
    LoneServer,
    Program,
    is_answering,
    keep_running,
    make_folder,
)
from benchmarks.peers.work import METRICS, Address, Batch, Request
from tests.servers.stack import find_free_port

PACKAGES = ("prometheus", "libsnappy1v5")
SNAPPY = "libsnappy.so.1"
ASK_SECONDS = 60
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
BYTES_FIELD, DOUBLE_FIELD, VARINT_FIELD = 2, 1, 0


def encode_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_message(place: int, content: bytes) -> bytes:
    """A field of a length and bytes: a text, or a message inside another."""
    return encode_varint(place << 3 | BYTES_FIELD) + encode_varint(len(content)) + content


@cache
def encode_labels(client: int, metric: int) -> bytes:
    """The labels of a series, sorted by name as the protocol asks."""
    labels = (("__name__", f"m{metric}"), ("client", f"client-{client}"))
    return b"".join(
        encode_message(1, encode_message(1, name.encode()) + encode_message(2, value.encode()))
        for name, value in labels
    )


def encode_sample(at_ms: int, value: float) -> bytes:
    head = bytes((1 << 3 | DOUBLE_FIELD,)) + struct.pack("<d", value)
    return head + bytes((2 << 3 | VARINT_FIELD,)) + encode_varint(at_ms)


def encode_write_request(batch: Batch) -> bytes:
    """A prometheus.WriteRequest: for each series its labels and its samples in order of time."""
    series = []
    for metric in range(len(batch.frames[0][1])):
        samples = (encode_message(2, encode_sample(at, row[metric])) for at, row in batch.frames)
        labels = encode_labels(batch.client, metric)
        series.append(encode_message(1, labels + b"".join(samples)))
    return b"".join(series)


@dataclass(frozen=True, slots=True)
class Snappy:
    """The compression that remote write asks for, from its C library."""

    library: ctypes.CDLL

    @classmethod
    def load(cls, unpacked: Unpacked) -> "Snappy":
        try:
            return cls(ctypes.CDLL(str(unpacked.root / LIBRARIES / SNAPPY)))
        except OSError as error:
            raise PeerMissingError(f"{SNAPPY} cannot be loaded: {error}") from error

    def compress(self, content: bytes) -> bytes:
        limit = 32 + len(content) + len(content) // 6
        room, size = ctypes.create_string_buffer(limit), ctypes.c_size_t(limit)
        length = ctypes.c_size_t(len(content))
        if self.library.snappy_compress(content, length, room, ctypes.byref(size)) != 0:
            raise RuntimeError("snappy refused the content")
        return room.raw[: size.value]


@dataclass(slots=True)
class Prometheus(LoneServer):
    """As System, with its defaults; late samples are refused unless a window is configured."""

    snappy: Snappy
    name: str = "Prometheus 2.42"

    @property
    def address(self) -> Address:
        return Address(self.port, "/api/v1/write")

    def encode(self, batch: Batch) -> Request:
        frames = tuple(sorted(batch.frames, key=lambda frame: frame[0]))
        content = encode_write_request(Batch(batch.client, frames))
        return Request(self.snappy.compress(content), HEADERS)

    def count_values(self, from_ms: int, until_ms: int) -> int:
        """As System, metric by metric: a count drops the names that tell the series apart."""
        span = f"{until_ms - from_ms - 1}ms"
        queries = (f"sum(count_over_time(m{metric}[{span}]))" for metric in range(METRICS))
        return sum(self._ask(query, until_ms - 1) for query in queries)

    def is_seen(self, at_ms: int) -> bool:
        return self._ask('count(count_over_time(m0{client="client-0"}[1ms]))', at_ms) == 1

    def _ask(self, query: str, at_ms: int) -> int:
        text = urlencode({"query": query, "time": f"{at_ms / 1000:.3f}"})
        result = json.loads(read(self.port, f"/api/v1/query?{text}"))["data"]["result"]
        return int(result[0]["value"][1]) if result else 0


def read(port: int, path: str) -> bytes:
    url = f"http://127.0.0.1:{port}{path}"
    with urlopen(url, timeout=ASK_SECONDS) as answer:
        return bytes(answer.read())


@contextmanager
def run_prometheus() -> Iterator[Prometheus]:
    """An empty server that scrapes nothing.

    Raises: PeerMissingError.
    """
    with make_folder("prometheus") as folder:
        unpacked = unpack(PACKAGES, folder)
        binary = unpacked.find_program("usr/bin/prometheus")
        snappy = Snappy.load(unpacked)
        port = find_free_port()
        settings = folder / "prometheus.yml"
        settings.write_text("global: {}\n")
        argv = [
            str(binary),
            f"--config.file={settings}",
            f"--storage.tsdb.path={folder / 'store'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
        ]

        def is_ready() -> bool:
            return is_answering(lambda: read(port, "/-/ready"))

        program = Program(argv, folder, unpacked.environment, is_ready)
        with keep_running(program):
            yield Prometheus(program, folder / "store", port, snappy)
