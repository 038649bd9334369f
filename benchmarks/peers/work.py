"""The work that every system gets: frames of many clients, and the processes that send them."""

import http.client
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

CLIENTS = 200
METRICS = 60
SENDERS = 2
SEND_SECONDS = 120
PREPARED_FRAMES = 512
DAY_MS = 86_400_000
LATE_AGES_MS = (600_000, 6 * 3_600_000, DAY_MS, 6 * DAY_MS)
"""How long before everything else late frames were measured."""

_rng = random.Random(4)  # noqa: S311 - repeatable load, no secret
_FRAMES = [[round(_rng.random(), 6) for _ in range(METRICS)] for _ in range(PREPARED_FRAMES)]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one client sends at once: its number, and the time of each frame with its values."""

    client: int
    frames: tuple[tuple[int, Sequence[float]], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A batch in a system's own words."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Address:
    port: int
    path: str = ""


Send = Callable[[Address, Sequence[Request]], list[bool]]
"""Sends requests one after the other; whether each was acknowledged."""


class Timeline:
    """Batches of all clients in turn, each second of each client once; times in Unix ms."""

    def __init__(self, start_ms: int) -> None:
        self.start_ms = start_ms
        self._next_ms = start_ms
        self._made = 0

    @property
    def now_ms(self) -> int:
        """A moment after all batches so far and before the next."""
        return self._next_ms

    def make_batches(self, requests: int, frames_per_request: int) -> Iterator[Batch]:
        for number in range(requests):
            client = number % CLIENTS
            round_ms = self._next_ms + number // CLIENTS * frames_per_request * 1000
            times = [round_ms + place * 1000 for place in range(frames_per_request)]
            yield self._make(client, times)
        rounds = -(-requests // CLIENTS)
        self._next_ms += rounds * frames_per_request * 1000

    def make_late_batches(self) -> list[Batch]:
        """One batch of each client, from long before the timeline's start."""
        times = [self.start_ms - age_ms for age_ms in LATE_AGES_MS]
        return [self._make(client, times) for client in range(CLIENTS)]

    def _make(self, client: int, times: Sequence[int]) -> Batch:
        frames = []
        for at_ms in times:
            frames.append((at_ms, _FRAMES[self._made % PREPARED_FRAMES]))
            self._made += 1
        return Batch(client, tuple(frames))


@dataclass(frozen=True, slots=True)
class Sent:
    """How many requests were acknowledged, how long it took, and when the last answer came."""

    acknowledged: int
    wall_seconds: float
    ended_monotonic: float


class Senders:
    """Two processes that send at the same time, started before the clock runs."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        list(pool.map(abs, range(SENDERS)))

    def send(self, send: Send, address: Address, requests: Sequence[Request]) -> Sent:
        shares = [requests[number::SENDERS] for number in range(SENDERS)]
        started = time.monotonic()
        jobs = [self._pool.submit(send, address, share) for share in shares]
        acknowledged = sum(sum(job.result()) for job in jobs)
        ended = time.monotonic()
        return Sent(acknowledged, ended - started, ended)


def send_http(address: Address, requests: Sequence[Request]) -> list[bool]:
    """As Send: POST over one kept connection; any success counts as acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=SEND_SECONDS)
    answers = []
    for request in requests:
        connection.request("POST", address.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        answer.read()
        answers.append(http.client.OK <= answer.status < http.client.MULTIPLE_CHOICES)
    connection.close()
    return answers
