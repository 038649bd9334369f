"""What the tests of the probes share: clocks, a resolver, requests with their defaults."""

import asyncio
import heapq
import json
import socket
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamswarm_agent.errors import NameNotResolved, TargetRefused
from streamswarm_agent.probes.base import ProbeRequest, ResponderRequest
from streamswarm_agent.probes.frame_tap import Flow, open_tap
from streamswarm_agent.wire.keys import parse_key

KEY = bytes(range(32))
WIRE = Path(__file__).parents[2] / "wire" / "v1"
TAGGED_FRAMES = Path(__file__).parents[1] / "fixtures" / "tagged_frames" / "answers.json"


class RealClock:
    def monotonic(self):
        return time.monotonic()

    def wall(self):
        return time.time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


class VirtualClock:
    """Time that jumps to the next sleeper's end once nothing else is left to do."""

    def __init__(self, oversleep_seconds=0.0):
        self.now = 1000.0
        self.oversleep_seconds = oversleep_seconds
        self.suspensions = {}
        self._wakes = []

    def monotonic(self):
        return self.now

    def wall(self):
        return self.now

    async def sleep(self, seconds):
        wake = self.now + seconds
        heapq.heappush(self._wakes, wake)
        try:
            while self.now < wake:
                seen = self.now
                for _ in range(20):
                    await asyncio.sleep(0)
                if seen == self.now and wake == self._wakes[0]:
                    self.now = wake + self.oversleep_seconds
                    self.now += self.suspensions.pop(round(wake, 6), 0.0)
        finally:
            self._wakes.remove(wake)
            heapq.heapify(self._wakes)


@dataclass
class TableResolver:
    """Addresses stand for themselves; names are looked up in a table, refused ones are refused."""

    addresses: dict = field(default_factory=dict)
    refused: frozenset = frozenset()
    asked: list = field(default_factory=list)
    delay_seconds: float = 0.0

    async def resolve(self, host, ip_version="any"):
        self.asked.append(host)
        await asyncio.sleep(self.delay_seconds)
        if host in self.refused:
            raise TargetRefused(f"policy denies {host}")
        if host in self.addresses:
            return self.addresses[host]
        if host[0].isdigit() or ":" in host:
            return host
        raise NameNotResolved(f"no address for {host}")


class Measurement:
    """A run's outcome and samples, all their keys and reason codes checked with the catalogue."""

    def __init__(self, catalogue):
        self.samples = []
        self.outcome = None
        self._catalogue = catalogue

    async def emit(self, sample):
        self._check(sample)
        self.samples.append(sample)

    def close(self, outcome):
        self._check(outcome)
        self.outcome = outcome

    def _check(self, measured):
        assert not set(measured.values) & set(measured.absent)
        for key in measured.values:
            assert parse_key(key)[0] in self._catalogue
        for key, code in measured.absent.items():
            codes = self._catalogue[parse_key(key)[0]]
            assert code in codes, f"{key} may not be absent with {code}"


@pytest.fixture(scope="session")
def catalogue():
    metrics = json.loads((WIRE / "metrics.json").read_text())["metrics"]
    return {metric["name"]: metric["absent"] for metric in metrics}


@pytest.fixture
def clock():
    return RealClock()


@pytest.fixture
def virtual_clock():
    return VirtualClock


@pytest.fixture
def resolver():
    return TableResolver()


@pytest.fixture
def make_resolver():
    return TableResolver


@pytest.fixture
def request_for():
    def build(kind, target, *, duration_seconds=0.3, sample_interval_seconds=0.1, **parameters):
        schema = json.loads((WIRE / "kinds" / f"{kind}.json").read_text())
        defaults = {
            name: rule["default"]
            for name, rule in schema["properties"].items()
            if "default" in rule
        }
        return ProbeRequest(
            target, defaults | parameters, duration_seconds, sample_interval_seconds
        )

    return build


@pytest.fixture
def measure(catalogue):
    async def run(probe, request):
        measurement = Measurement(catalogue)
        measurement.close(await probe.run(request, measurement.emit))
        return measurement

    return run


@pytest.fixture
async def web_server():
    """Starts a server from a handler of (reader, writer); gives its port."""
    servers = []

    async def start(handle, tls=None, host="127.0.0.1"):
        server = await asyncio.start_server(handle, host, 0, ssl=tls)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.fixture
def free_port():
    """A port that is free for both TCP and UDP."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(held.getsockname())
            return held.getsockname()[1]


@pytest.fixture
def ask_to_answer(free_port):
    """The request for a far end at `free_port`."""

    def build(**changes):
        wanted = {
            "run_id": "run",
            "key": KEY,
            "parameters": {},
            "duration_seconds": 60,
            "bind_address": "127.0.0.1",
            "port": free_port,
            **changes,
        }
        return ResponderRequest(**wanted)

    return build


@pytest.fixture
def serve(ask_to_answer):
    """A far end that answers until the block ends, or its time is over."""

    @asynccontextmanager
    async def run(responder, request=None):
        task = asyncio.create_task(responder.serve(request or ask_to_answer()))
        await asyncio.sleep(0)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.fixture
def closed_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class RecordedTap:
    """A tap in which the recorded frames lie."""

    def __init__(self):
        self._frames = json.loads((TAGGED_FRAMES).read_text())["frames"]
        self._near, self._far = socket.socketpair()
        self._far.send(b"ready")

    def fileno(self):
        return self._near.fileno()

    def recvmsg(self, *_sizes):
        if not self._frames:
            raise BlockingIOError
        frame = self._frames.pop(0)
        ancillary = [
            (level, kind, bytes.fromhex(content)) for level, kind, content in frame["ancillary"]
        ]
        return bytes.fromhex(frame["packet"]), ancillary, 0, ("lan0", 0x0800, 0, 1, b"")

    def close(self):
        self._near.close()
        self._far.close()


@pytest.fixture
def recorded_tap():
    with closing(RecordedTap()) as tap:
        yield tap


@pytest.fixture
def may_tap():
    """Skips where this process may open no packet socket."""
    try:
        open_tap(Flow("127.0.0.1", 1, 2)).close()
    except OSError as error:
        pytest.skip(f"a packet socket needs Linux and cap_net_raw ({error})")
