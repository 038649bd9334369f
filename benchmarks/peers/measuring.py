"""What one system does with the work: speed, cost, size, and what it loses and refuses."""

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.measuring.memory import PeakMemory
from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.peers.rows import DATABASE_PROGRAM
from benchmarks.peers.system import System
from benchmarks.peers.work import (
    CLIENTS,
    DAY_MS,
    METRICS,
    SENDERS,
    Batch,
    Request,
    Senders,
    Timeline,
)
from tests.servers.waiting import wait_until

FRAMES_PER_REQUEST = (4, 1)
BURST_FRAMES_PER_REQUEST = 4
VISIBLE_PROBES = 5
PROBE_GAP_SECONDS = 0.3
LONGEST_LAG_SECONDS = 120.0
POLL_SECONDS = 0.02
LATE_DAYS = 7
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class Amount:
    """How many requests each system gets: at 4 and at 1 frames, and in the burst before a kill."""

    requests: int
    burst_requests: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """One number of frames a request; processor seconds are by program."""

    frames_per_request: int
    requests: int
    values: int
    wall_seconds: float
    lag_seconds: float
    processor_seconds: dict[str, float]
    peak_megabytes: float
    disk_bytes: int
    wire_bytes: int

    @property
    def values_per_second(self) -> float:
        return self.values / (self.wall_seconds + self.lag_seconds)

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.wall_seconds

    @property
    def values_per_processor_second(self) -> float:
        return self.values / sum(self.processor_seconds.values())


@dataclass(frozen=True, slots=True)
class Promises:
    """What an acknowledgement is worth; shares are 0 to 1."""

    acknowledged: int
    kept: int
    late_share: float
    visible_seconds: float

    @property
    def kept_share(self) -> float:
        return self.kept / self.acknowledged if self.acknowledged else 1.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A system's figures, by the number of frames a request."""

    name: str
    throughputs: dict[int, Throughput]
    promises: Promises


def measure_system(system: System, amount: Amount) -> Measured:
    """Warm up with a request of each client, then measure; the system is killed at the end.

    Raises: RuntimeError when a request of the ordinary work is refused or its values are missing.
    """
    timeline = Timeline((int(time.time()) - 3 * 3600) * MILLISECONDS)
    with ProcessPoolExecutor(SENDERS) as pool:
        senders = Senders(pool)
        deliver(system, senders, list(timeline.make_batches(CLIENTS, BURST_FRAMES_PER_REQUEST)))
        wait_until_stored(system, timeline.start_ms, timeline.now_ms, CLIENTS * 4 * METRICS)
        throughputs = {
            frames: measure_throughput(system, senders, timeline, amount.requests, frames)
            for frames in FRAMES_PER_REQUEST
        }
        visible = [measure_visible(system, senders, timeline) for _ in range(VISIBLE_PROBES)]
        late_share = measure_late(system, senders, timeline)
        acknowledged, kept = measure_kept(system, senders, timeline, amount.burst_requests)
    lags = [one.lag_seconds for one in throughputs.values()]
    promises = Promises(acknowledged, kept, late_share, max(*visible, *lags))
    return Measured(system.name, throughputs, promises)


def deliver(system: System, senders: Senders, batches: list[Batch]) -> None:
    requests = [system.encode(batch) for batch in batches]
    sent = senders.send(system.send, system.address, requests)
    if sent.acknowledged != len(requests):
        raise RuntimeError(f"{system.name} took {sent.acknowledged} of {len(requests)} requests")


def wait_until_stored(system: System, from_ms: int, until_ms: int, values: int) -> None:
    """Raises: TimeoutError when the values of that time do not all appear."""
    wait_until(
        lambda: system.count_values(from_ms, until_ms) >= values,
        seconds=LONGEST_LAG_SECONDS,
        what=f"{values} values in {system.name}",
        poll_seconds=0.2,
    )


def measure_throughput(
    system: System, senders: Senders, timeline: Timeline, requests: int, frames: int
) -> Throughput:
    from_ms = timeline.now_ms
    made: list[Request] = [
        system.encode(batch) for batch in timeline.make_batches(requests, frames)
    ]
    values = requests * frames * METRICS
    disk_before = system.measure_disk_bytes()
    with PeakMemory(list(system.list_programs().values())) as memory:
        before = read_program_seconds(system)
        sent = senders.send(system.send, system.address, made)
        if not system.is_stored_when_acknowledged:
            wait_until_stored(system, from_ms, timeline.now_ms, values)
        lag_seconds = time.monotonic() - sent.ended_monotonic
        after = read_program_seconds(system)
    stored = system.count_values(from_ms, timeline.now_ms)
    if sent.acknowledged != requests or stored != values:
        raise RuntimeError(
            f"{system.name} acknowledged {sent.acknowledged} of {requests} requests"
            f" and shows {stored} of {values} values"
        )
    return Throughput(
        frames_per_request=frames,
        requests=requests,
        values=values,
        wall_seconds=sent.wall_seconds,
        lag_seconds=0.0 if system.is_stored_when_acknowledged else lag_seconds,
        processor_seconds={name: after[name] - before[name] for name in after},
        peak_megabytes=memory.megabytes,
        disk_bytes=system.measure_disk_bytes() - disk_before,
        wire_bytes=sum(len(request.body) for request in made),
    )


def read_program_seconds(system: System) -> dict[str, float]:
    """Processor seconds so far by program, without what the benchmark's own questions cost."""
    seconds = {name: read_tree_seconds([pid]) for name, pid in system.list_programs().items()}
    if DATABASE_PROGRAM in seconds:
        seconds[DATABASE_PROGRAM] -= system.read_uncounted_seconds()
    return seconds


def measure_visible(system: System, senders: Senders, timeline: Timeline) -> float:
    """Seconds from the answer to a request until a question finds its frame."""
    threading.Event().wait(PROBE_GAP_SECONDS)
    (batch,) = timeline.make_batches(1, 1)
    at_ms = batch.frames[0][0]
    request = system.encode(batch)
    sent = senders.send(system.send, system.address, [request])
    wait_until(
        lambda: system.is_seen(at_ms),
        seconds=LONGEST_LAG_SECONDS,
        what=f"a single frame in {system.name}",
        poll_seconds=POLL_SECONDS,
    )
    return time.monotonic() - sent.ended_monotonic


def measure_late(system: System, senders: Senders, timeline: Timeline) -> float:
    """The share of values from minutes to six days ago that can be seen after they were sent."""
    requests = [system.encode(batch) for batch in timeline.make_late_batches()]
    from_ms = timeline.start_ms - LATE_DAYS * DAY_MS
    values = sum(len(batch.frames) for batch in timeline.make_late_batches()) * METRICS
    senders.send(system.send, system.address, requests)
    if not system.is_stored_when_acknowledged:
        with suppress(TimeoutError):
            wait_until_stored(system, from_ms, timeline.start_ms, values)
    return system.count_values(from_ms, timeline.start_ms) / values


def measure_kept(
    system: System, senders: Senders, timeline: Timeline, requests: int
) -> tuple[int, int]:
    """Values acknowledged in a burst, and those that are there after kill -9 and a restart."""
    from_ms = timeline.now_ms
    made = [
        system.encode(batch) for batch in timeline.make_batches(requests, BURST_FRAMES_PER_REQUEST)
    ]
    sent = senders.send(system.send, system.address, made)
    system.kill9()
    system.restart()
    values_a_request = BURST_FRAMES_PER_REQUEST * METRICS
    kept = system.count_values(from_ms, timeline.now_ms)
    return sent.acknowledged * values_a_request, kept
