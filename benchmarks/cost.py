"""What a stored value costs the split door and PostgreSQL: processor, disk, WAL, wire.

200 clients of 60 metrics send to one door process, once with one frame a request and once with
four, gzipped as agents do. The closing table is arithmetic: the same for many clients that each
send one frame a minute. docs/scaling.md rests on it.

    python -m benchmarks.cost [--requests 4000]
"""

import argparse
import gzip
import http.client
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psutil
import psycopg2

from apps.operations.supervisor.programs import describe_door
from benchmarks.ingest import CLIENTS, ENROL_ALL, KEYS, METRICS
from benchmarks.measuring.frames import Frame, build_body
from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.measuring.report import Claim, finish_all, print_table
from tests.servers.postgresql import Cluster, start_cluster
from tests.servers.stack import Stack, run_stack

FRAMES_A_REQUEST = (1, 4)
SENDERS = 16
FLEETS = (1_000, 10_000, 100_000)
SECONDS_A_MINUTE, SECONDS_A_DAY = 60, 86_400
GIGABYTE, MEGABYTE = 1e9, 1e6
DISK_GOAL_BYTES = 21.5
PROCESSOR_GOAL_CORES = 6.0
STORED_BYTES = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'metrics\\_%'
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of so many values; processor seconds of the door and of PostgreSQL, bytes of each kind."""

    frames_a_request: int
    values: int
    requests: int
    door_seconds: float
    database_seconds: float
    disk_bytes: float
    wal_bytes: float
    wire_bytes: float

    @property
    def processor_seconds(self) -> float:
        return self.door_seconds + self.database_seconds


def build_requests(frames_a_request: int, requests: int) -> list[bytes]:
    """Gzipped bodies; each client's frames go on where its last ended."""
    generator = random.Random(frames_a_request)  # noqa: S311 - repeatable load, no secret
    start = datetime.now(UTC) - timedelta(hours=2 * frames_a_request)
    bodies = []
    for index in range(requests):
        first = index // CLIENTS * frames_a_request
        frames: list[Frame] = [
            (
                start + timedelta(seconds=first + number),
                frames_a_request * 1_000_000 + first + number,
                [round(generator.random(), 6) for _key in KEYS],
            )
            for number in range(frames_a_request)
        ]
        bodies.append(gzip.compress(build_body("cpu", KEYS, frames), 6))
    return bodies


def send_share(url: str, share: Sequence[tuple[str, bytes]]) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    for key, body in share:
        headers = {
            "Authorization": f"Agent {key}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        connection.request("POST", "/api/v1/agent/records", body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"refused: {answer.status} {text[:500]!r}")
    connection.close()


def send_all(url: str, keys: Sequence[str], bodies: Sequence[bytes]) -> None:
    pairs = [(keys[index % CLIENTS], body) for index, body in enumerate(bodies)]
    # By client, so that two of its uploads never meet.
    shares = [
        [pair for index, pair in enumerate(pairs) if index % CLIENTS % SENDERS == number]
        for number in range(SENDERS)
    ]
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda share: send_share(url, share), shares))


def ask_number(stack: Stack, query: str) -> float:
    with closing(psycopg2.connect(stack.database_url)) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        ((number,),) = cursor.fetchall()
    return float(number)


def measure(
    stack: Stack, cluster: Cluster, keys: Sequence[str], frames: int, requests: int
) -> Cost:
    door = stack.children["door"].process_id
    if cluster.process is None:
        raise RuntimeError("the cluster belongs to another process")
    bodies = build_requests(frames, CLIENTS + requests)
    send_all(stack.base_url, keys, bodies[:CLIENTS])
    wal, stored = "SELECT pg_current_wal_lsn() - '0/0'", STORED_BYTES
    before = [ask_number(stack, query) for query in (wal, stored)]
    seconds = [read_tree_seconds([one]) for one in (door, cluster.process.pid)]
    send_all(stack.base_url, keys, bodies[CLIENTS:])
    spent = [read_tree_seconds([one]) for one in (door, cluster.process.pid)]
    after = [ask_number(stack, query) for query in (wal, stored)]
    return Cost(
        frames_a_request=frames,
        values=requests * frames * METRICS,
        requests=requests,
        door_seconds=spent[0] - seconds[0],
        database_seconds=spent[1] - seconds[1],
        disk_bytes=after[1] - before[1],
        wal_bytes=after[0] - before[0],
        wire_bytes=sum(map(len, bodies[CLIENTS:])),
    )


def print_costs(costs: Sequence[Cost]) -> None:
    header = (
        "frames a request", "values", "door ms/request", "PostgreSQL ms/request",
        "values/CPU s", "disk B/value", "WAL B/value", "wire B/value",
    )  # fmt: skip
    rows = [
        (
            cost.frames_a_request,
            cost.values,
            f"{cost.door_seconds / cost.requests * 1000:.2f}",
            f"{cost.database_seconds / cost.requests * 1000:.2f}",
            f"{cost.values / cost.processor_seconds:,.0f}",
            f"{cost.disk_bytes / cost.values:.1f}",
            f"{cost.wal_bytes / cost.values:.1f}",
            f"{cost.wire_bytes / cost.values:.1f}",
        )
        for cost in costs
    ]
    print_table(header, rows)


def print_fleets(costs: Sequence[Cost]) -> None:
    """Arithmetic: each client sends one frame of 60 values a minute."""
    rows = []
    for clients in FLEETS:
        for cost in costs:
            values_a_second = clients * METRICS / SECONDS_A_MINUTE
            share = values_a_second / cost.values
            rows.append(
                (
                    f"{clients:,}",
                    cost.frames_a_request,
                    f"{values_a_second:,.0f}",
                    f"{share * cost.requests:,.0f}",
                    f"{share * cost.door_seconds:.2f}",
                    f"{share * cost.database_seconds:.2f}",
                    f"{share * cost.disk_bytes * SECONDS_A_DAY / GIGABYTE:,.1f}",
                    f"{share * cost.wal_bytes * SECONDS_A_DAY / GIGABYTE:,.1f}",
                    f"{share * cost.wire_bytes / MEGABYTE:.2f}",
                )
            )
    header = (
        "clients", "frames a request", "values/s", "requests/s", "door cores", "PostgreSQL cores",
        "disk GB/day", "WAL GB/day", "wire MB/s",
    )  # fmt: skip
    print_table(header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a stored value costs.")
    parser.add_argument("--requests", type=int, default=4000)
    arguments = parser.parse_args()
    cluster = start_cluster()
    try:
        with run_stack(
            "postgresql", postgresql=cluster, with_web=False, with_worker=False, with_beat=False
        ) as stack:
            stack.start(describe_door(stack.site))
            keys = stack.run_python("-c", ENROL_ALL.format(count=CLIENTS)).split()[-CLIENTS:]
            started = time.monotonic()
            costs = [
                measure(stack, cluster, keys, frames, arguments.requests)
                for frames in FRAMES_A_REQUEST
            ]
            resident = psutil.Process(stack.children["door"].process_id).memory_info().rss
            print(f"{time.monotonic() - started:.0f} s, door {resident / MEGABYTE:.0f} MB resident")
    finally:
        cluster.stop()
    print_costs(costs)
    print_fleets(costs)
    single, batched = costs
    cores = FLEETS[-1] * METRICS / SECONDS_A_MINUTE / single.values * single.processor_seconds
    finish_all(
        Claim(
            claim="disk for each value, four frames a request",
            value=round(batched.disk_bytes / batched.values, 1),
            unit="B",
            goal=DISK_GOAL_BYTES,
            better="lower",
            beside={"wal": round(batched.wal_bytes / batched.values, 1)},
        ),
        Claim(
            claim="cores for 100,000 clients, one frame a request and minute",
            value=round(cores, 2),
            unit="cores",
            goal=PROCESSOR_GOAL_CORES,
            better="lower",
            beside={"values_per_cpu_second": round(single.values / single.processor_seconds)},
        ),
    )


if __name__ == "__main__":
    main()
