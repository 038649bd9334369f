"""InfluxDB 1.6: a line of 60 fields for each frame, tagged with its client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.peers.packages import unpack
from benchmarks.peers.system import (
    LoneServer,
    Program,
    is_answering,
    keep_running,
    make_folder,
)
from benchmarks.peers.work import Address, Batch, Request
from tests.servers.stack import find_free_port

PACKAGES = ("influxdb",)
DATABASE = "bench"
ASK_SECONDS = 60
SETTINGS = """
reporting-disabled = true
bind-address = "127.0.0.1:{inner_port}"
[meta]
dir = "{folder}/store/meta"
[data]
dir = "{folder}/store/data"
wal-dir = "{folder}/store/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[logging]
level = "error"
"""


@dataclass(slots=True)
class InfluxDb(LoneServer):
    """As System, with the settings of its package where nothing else is said."""

    name: str = "InfluxDB 1.6"

    @property
    def address(self) -> Address:
        return Address(self.port, f"/write?db={DATABASE}&precision=ms")

    @staticmethod
    def encode(batch: Batch) -> Request:
        lines = []
        for at_ms, values in batch.frames:
            fields = ",".join(f"m{place}={value}" for place, value in enumerate(values))
            lines.append(f"host,client=client-{batch.client} {fields} {at_ms}")
        return Request("\n".join(lines).encode())

    def count_values(self, from_ms: int, until_ms: int) -> int:
        condition = f"time >= {from_ms}ms AND time < {until_ms}ms"
        return sum(self._ask(f"SELECT count(*) FROM host WHERE {condition}")[1:])  # noqa: S608 - numbers

    def is_seen(self, at_ms: int) -> bool:
        query = f"SELECT m0 FROM host WHERE client = 'client-0' AND time = {at_ms}ms"  # noqa: S608 - a number
        return bool(self._ask(query))

    def _ask(self, query: str) -> list[int]:
        """The first row of the answer; empty without one."""
        results = json.loads(ask(self.port, query))["results"]
        series = results[0].get("series", [])
        row: list[int] = series[0]["values"][0] if series else []
        return row


def ask(port: int, query: str) -> bytes:
    text = urlencode({"db": DATABASE, "epoch": "ms", "q": query})
    url = f"http://127.0.0.1:{port}/query"
    with urlopen(url, text.encode(), timeout=ASK_SECONDS) as answer:
        return bytes(answer.read())


@contextmanager
def run_influxdb() -> Iterator[InfluxDb]:
    """A server with an empty database.

    Raises: PeerMissingError.
    """
    with make_folder("influxdb") as folder:
        unpacked = unpack(PACKAGES, folder)
        binary = unpacked.find_program("usr/bin/influxd")
        port = find_free_port()
        settings = folder / "influxdb.conf"
        settings.write_text(SETTINGS.format(folder=folder, port=port, inner_port=find_free_port()))
        argv = [str(binary), "-config", str(settings)]

        def is_ready() -> bool:
            return is_answering(lambda: ask(port, f"CREATE DATABASE {DATABASE}"))

        program = Program(argv, folder, unpacked.environment, is_ready)
        with keep_running(program):
            yield InfluxDb(program, folder / "store", port)
