"""A thousand open pages, a tenth of which do not read: how late are the others, and what it costs.

Fifty users, each with twenty pages of one session, all look at one client, whose frames come in
four times a second by the agents' door; the sockets are in a process of their own. Dozing pages
stop reading after their first batch. Near the end one session is ended.

    python -m benchmarks.viewers [--viewers 1000] [--dozing 100] [--pages 20] [--seconds 60]
"""

import argparse
import http.client
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psutil

from benchmarks.ingest import ENROL_ALL
from benchmarks.measuring.frames import build_host_body
from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.servers.audience import Seat, Sighting, make_cookies, seat_audience
from tests.servers.postgresql import start_cluster
from tests.servers.stack import Stack, run_stack

UPLOADS_PER_SECOND = 4
SAMPLE_SECONDS = 0.25
LAST_SECONDS = 12.0
DELAY_GOAL_SECONDS = 2.0
MEMORY_GOAL_MEGABYTES = 160.0
REVOCATION_GOAL_SECONDS = 5.0
NEVER_SECONDS = 999.0
MEGABYTE = 1_000_000
END_SESSION = """
import django; django.setup()
import time
from allauth.usersessions.models import UserSession
UserSession.objects.get(session_key={key!r}).end()
print(time.time())
"""
FIND_CLIENT = """
import django; django.setup()
from apps.clients.models import Client
print(Client.objects.get().id)
"""


@dataclass(slots=True)
class Meter:
    """The web process while it is looked at: resident bytes, and processor seconds at both ends."""

    process_id: int
    resident_bytes: list[int] = field(default_factory=list)
    processor_seconds: float = 0.0


@contextmanager
def watch_process(process_id: int) -> Iterator[Meter]:
    meter, is_over = Meter(process_id), threading.Event()
    process = psutil.Process(process_id)
    before = read_tree_seconds([process_id])

    def sample() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            meter.resident_bytes.append(process.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield meter
    finally:
        is_over.set()
        thread.join()
        meter.processor_seconds = read_tree_seconds([process_id]) - before


@contextmanager
def upload_steadily(stack: Stack, key: str) -> Iterator[None]:
    """Frames measured just now, at a steady rate over one connection, while the block runs."""
    is_over = threading.Event()
    address = urlsplit(stack.base_url)
    headers = {"Authorization": f"Agent {key}", "Content-Type": "application/json"}

    def upload() -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        number = 0
        while not is_over.wait(1 / UPLOADS_PER_SECOND):
            body = build_host_body(datetime.now(UTC), number)
            connection.request("POST", "/api/v1/agent/records", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != http.client.OK:
                raise RuntimeError(f"refused: {answer.status} {text[:500]!r}")
            number += 1
        connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Outcome:
    sightings: list[Sighting]
    meter: Meter
    idle_bytes: int
    held_sockets: int
    ended_at: float
    seconds: float


def seat_everybody(
    stack: Stack, cookies: Sequence[str], arguments: argparse.Namespace
) -> list[Seat]:
    client_id = stack.run_python("-c", FIND_CLIENT).split()[-1]
    topics = ("overview", f"client:{client_id}")
    every = max(arguments.viewers // arguments.dozing, 1) if arguments.dozing else 0
    return [
        Seat(
            port=stack.site.port,
            cookie=cookies[number // arguments.pages],
            topics=topics,
            is_dozing=bool(every) and number % every == every - 1,
        )
        for number in range(arguments.viewers)
    ]


def measure(stack: Stack, arguments: argparse.Namespace) -> Outcome:
    users = -(-arguments.viewers // arguments.pages)
    key = stack.run_python("-c", ENROL_ALL.format(count=1)).split()[-1]
    cookies = make_cookies(stack, users)
    seats = seat_everybody(stack, cookies, arguments)
    process_id = stack.children["web"].process_id
    with upload_steadily(stack, key):
        time.sleep(2)
        idle_bytes = psutil.Process(process_id).memory_info().rss
        with watch_process(process_id) as meter, seat_audience(seats) as audience:
            started = time.monotonic()
            time.sleep(arguments.seconds)
            ending = END_SESSION.format(key=cookies[0].partition("=")[2])
            ended_at = float(stack.run_python("-c", ending).split()[-1])
            time.sleep(LAST_SECONDS)
            held_sockets = count_sockets(process_id)
            sightings = audience.leave()
            seconds = time.monotonic() - started
    return Outcome(sightings, meter, idle_bytes, held_sockets, ended_at, seconds)


def count_sockets(process_id: int) -> int:
    """The connections the process holds; who does not read cannot see that its own is gone."""
    connections = psutil.Process(process_id).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED for one in connections)


def list_delays(sightings: Sequence[Sighting]) -> list[float]:
    return sorted(
        batch.arrived_at - moment
        for sighting in sightings
        if not sighting.is_dozing
        for batch in sighting.batches
        for moment in batch.measured_at
    )


def count_gaps(sighting: Sighting) -> int:
    numbers = [batch.seq for batch in sighting.batches]
    return sum(b != a + 1 for a, b in zip([0, *numbers], numbers, strict=False))


def report(outcome: Outcome, arguments: argparse.Namespace) -> None:
    delays = list_delays(outcome.sightings)
    readers = [sighting for sighting in outcome.sightings if not sighting.is_dozing]
    dozing = [sighting for sighting in outcome.sightings if sighting.is_dozing]
    revoked = [one.closed_at - outcome.ended_at for one in readers if one.closed_at is not None]
    median, p99 = statistics.median(delays), delays[int(len(delays) * 0.99)]
    peak_bytes = max(outcome.meter.resident_bytes)
    growth = (peak_bytes - outcome.idle_bytes) / MEGABYTE
    rows = [
        ("viewers, of them dozing", f"{len(outcome.sightings)}, {len(dozing)}"),
        ("batches read", sum(len(one.batches) for one in readers)),
        ("frames read", len(delays)),
        ("delay median, p99, most s", f"{median:.3f}, {p99:.3f}, {delays[-1]:.3f}"),
        ("gaps of those who read", sum(map(count_gaps, readers))),
        ("sockets still held near the end", outcome.held_sockets),
        (
            "web idle, at most MB",
            f"{outcome.idle_bytes / MEGABYTE:.0f}, {peak_bytes / MEGABYTE:.0f}",
        ),
        ("web CPU s a second", f"{outcome.meter.processor_seconds / outcome.seconds:.2f}"),
        ("pages of the ended session closed", len(revoked)),
        ("closed after at most s", f"{max(revoked):.1f}" if revoked else "never"),
    ]
    print_table(("figure", "seen"), rows)
    finish_all(
        Claim(
            claim="p99 delay of a frame to those who read",
            value=round(p99, 3),
            unit="s",
            goal=DELAY_GOAL_SECONDS,
            better="lower",
            beside={
                "median": round(median, 3),
                "viewers": arguments.viewers,
                "dozing": len(dozing),
            },
        ),
        Claim(
            claim="growth of the web process",
            value=round(growth, 1),
            unit="MB",
            goal=MEMORY_GOAL_MEGABYTES,
            better="lower",
            beside={"idle_megabytes": round(outcome.idle_bytes / MEGABYTE, 1)},
        ),
        Claim(
            claim="pages of an ended session are closed within",
            value=round(max(revoked, default=NEVER_SECONDS), 1),
            unit="s",
            goal=REVOCATION_GOAL_SECONDS,
            better="lower",
            beside={"pages": len(revoked)},
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Many pages, some of which do not read.")
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--dozing", type=int, default=100)
    parser.add_argument("--pages", type=int, default=20, help="pages of one session, at most 20")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_worker=False, with_beat=False
        ) as stack:
            outcome = measure(stack, arguments)
    finally:
        cluster.stop()
    report(outcome, arguments)


if __name__ == "__main__":
    main()
