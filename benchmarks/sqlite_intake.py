"""Values a second that an embedded server on SQLite takes, and how its pages answer meanwhile.

50 clients x 60 metrics, 4 frames a request, from two sending processes through the real endpoint,
for as long as asked; worker and beat run as in an installation. A signed-in session opens the
overview and the list of clients all the time. What the server puts off (429, 503) is sent again
after its Retry-After, as agents do, and counted.

    python -m benchmarks.sqlite_intake [--seconds 60] [--frames-per-request 4]
"""

import argparse
import http.client
import statistics
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from benchmarks.ingest import (
    ENROL_ALL,
    FRAMES_PER_REQUEST,
    METRICS,
    SENDERS,
    build_frames_body,
)
from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.measuring.report import Claim, finish, print_table
from tests.flows.api_user import become_admin, sign_in
from tests.servers.stack import Stack, run_stack

GOAL_VALUES = 15_000
CLIENTS = 50
PAGES = {"overview": "/", "clients": "/clients/"}
PAGE_PAUSE_SECONDS = 0.2
PUT_OFF = frozenset({http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Sent:
    """What one sending process got rid of."""

    requests: int
    put_off: int


@dataclass(frozen=True, slots=True)
class Load:
    """Where to send, as whom, what, and for how long."""

    address: str
    keys: list[str]
    frames_per_request: int
    seconds: float


def send_for(load: Load, sender: int) -> Sent:
    """Send one request after the other; every sender has clients and moments of its own."""
    parts = urlsplit(load.address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    keys = load.keys[sender::SENDERS]
    ends_at = time.monotonic() + load.seconds
    requests = put_off = number = 0
    while time.monotonic() < ends_at:
        key = keys[number % len(keys)]
        # The benchmark of PostgreSQL spreads its moments over 200 clients.
        body = build_frames_body(number // len(keys) * 200 + sender, load.frames_per_request)
        headers = {"Authorization": f"Agent {key}", "Content-Type": "application/json"}
        connection.request("POST", "/api/v1/agent/records", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status in PUT_OFF:
            put_off += 1
            time.sleep(float(answer.headers["Retry-After"]))
            continue
        if answer.status != http.client.OK:
            raise RuntimeError(f"{answer.status}: {text[:300]!r}")
        requests += 1
        number += 1
    connection.close()
    return Sent(requests, put_off)


def read_pages(stack: Stack, is_over: threading.Event) -> dict[str, list[float]]:
    """Seconds to the last byte of each page, opened in turn until it is over."""
    seconds: dict[str, list[float]] = {name: [] for name in PAGES}
    cookies = {"Cookie": sign_in(stack.base_url), "Accept": "text/html"}
    with httpx.Client(
        base_url=stack.base_url, headers=cookies, trust_env=False, timeout=60
    ) as browser:
        while not is_over.wait(PAGE_PAUSE_SECONDS):
            for name, path in PAGES.items():
                began = time.perf_counter()
                browser.get(path).raise_for_status()
                seconds[name].append(time.perf_counter() - began)
    return seconds


@dataclass(frozen=True, slots=True)
class Measured:
    values_per_second: float
    values_per_processor_second: float
    put_off: int
    page_seconds: dict[str, list[float]]


def measure(*, seconds: float, frames_per_request: int) -> Measured:
    with run_stack("sqlite") as stack:
        become_admin(stack)
        keys = stack.run_python("-c", ENROL_ALL.format(count=CLIENTS)).split()[-CLIENTS:]
        load = Load(stack.base_url, keys, frames_per_request, seconds)
        is_over = threading.Event()
        with ProcessPoolExecutor(SENDERS + 1) as pool:
            process_ids = [child.process_id for child in stack.children.values()]
            before, began = read_tree_seconds(process_ids), time.monotonic()
            jobs: list[Future[Sent]] = [pool.submit(send_for, load, n) for n in range(SENDERS)]
            for job in jobs:
                job.add_done_callback(lambda _job: is_over.set())
            page_seconds = read_pages(stack, is_over)
            sent = [job.result() for job in jobs]
            elapsed = time.monotonic() - began
            processor_seconds = read_tree_seconds(process_ids) - before
    values = sum(one.requests for one in sent) * frames_per_request * METRICS
    return Measured(
        values_per_second=values / elapsed,
        values_per_processor_second=values / processor_seconds,
        put_off=sum(one.put_off for one in sent),
        page_seconds=page_seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Values a second on SQLite, pages meanwhile.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--frames-per-request", type=int, default=FRAMES_PER_REQUEST)
    arguments = parser.parse_args()
    measured = measure(seconds=arguments.seconds, frames_per_request=arguments.frames_per_request)
    rows, beside = [], {}
    for name, seconds in measured.page_seconds.items():
        middle, worst = statistics.median(seconds), max(seconds)
        rows.append((name, len(seconds), f"{middle * 1000:.0f}", f"{worst * 1000:.0f}"))
        beside[f"{name}_median_seconds"] = round(middle, 3)
        beside[f"{name}_worst_seconds"] = round(worst, 3)
    print_table(("page meanwhile", "opened", "median ms", "worst ms"), rows)
    finish(
        Claim(
            claim="values a second that an embedded server on SQLite takes",
            value=round(measured.values_per_second),
            unit="values/s",
            goal=GOAL_VALUES,
            better="higher",
            beside={
                "values_per_cpu_second": round(measured.values_per_processor_second),
                "put_off": measured.put_off,
                **beside,
            },
        )
    )


if __name__ == "__main__":
    main()
