"""Values stored for each processor-second of web server and PostgreSQL, through the real endpoint.

200 clients x 60 metrics, 4 frames a request (or another number), two sending processes. Beside it,
in the same run on the same cluster: a DRF serializer with an ORM row for each value. Bodies are
made beforehand, so that only the servers work while the clock runs; both sides see plain JSON, both
are authenticated.

    python -m benchmarks.ingest [--requests 3000] [--frames-per-request 4]
"""

import argparse
import hashlib
import http.client
import json
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measuring.processor_time import read_tree_seconds
from benchmarks.measuring.report import Claim, finish, print_table
from tests.servers.postgresql import Cluster, start_cluster
from tests.servers.stack import build_site, find_free_port, run_stack
from tests.servers.waiting import wait_until

CLIENTS = 200
METRICS = 60
FRAMES_PER_REQUEST = 4
SENDERS = 2
START = datetime.now(UTC) - timedelta(hours=20)
GOAL_RATIO = 5.0
KEYS = [f"system.cpu.utilization{{cpu={core}}}" for core in range(METRICS)]
ENROL_ALL = """
import django; django.setup()
from datetime import timedelta
from apps.clients.services import enrol_client, issue_enrolment_token
_, secret = issue_enrolment_token(name="benchmark", max_uses={count})
for number in range({count}):
    issued = enrol_client(token_secret=secret, name=f"client-{{number}}", agent_version="1",
                          inventory={{}}, address="127.0.0.1")
    print(issued.secret)
"""
CREATE_SENDERS = """
import django; django.setup()
import hashlib
from benchmarks.row_per_metric.models import Sender
Sender.objects.bulk_create(
    Sender(digest=hashlib.sha256(f"key-{{number}}".encode()).hexdigest())
    for number in range({count}))
"""


@dataclass(frozen=True, slots=True)
class Request:
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What one path stored, and what it cost."""

    name: str
    values: int
    wall_seconds: float
    processor_seconds: float
    database_seconds: float

    @property
    def values_per_processor_second(self) -> float:
        return self.values / self.processor_seconds

    def as_row(self) -> tuple[object, ...]:
        return (
            self.name,
            self.values,
            f"{self.wall_seconds:.1f}",
            f"{self.processor_seconds:.1f}",
            f"{self.database_seconds:.1f}",
            f"{self.values / self.wall_seconds:,.0f}",
            f"{self.values_per_processor_second:,.0f}",
        )


def format_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iterate_frames(index: int, frames: int) -> Iterator[tuple[datetime, list[float]]]:
    """The moments and values of one request; each client's go on where its last ended."""
    generator = random.Random(index)  # noqa: S311 - repeatable load, no secret
    start = START + timedelta(seconds=index // CLIENTS * frames)
    for number in range(frames):
        values = [round(generator.random(), 6) for _key in KEYS]
        yield start + timedelta(seconds=number), values


def build_frames_body(index: int, frames: int) -> bytes:
    layout = hashlib.sha256("\n".join(KEYS).encode()).hexdigest()[:16]
    records = [
        {
            "id": f"{index}-{number}",
            "kind": "frame",
            "at": format_moment(at),
            "data": {
                "source": {"kind": "cpu", "subject": ""},
                "seq": 2**40 + index * frames + number,
                "layout": layout,
                "values": values,
                "absent": {},
            },
        }
        for number, (at, values) in enumerate(iterate_frames(index, frames))
    ]
    batch = {"batch": str(uuid.uuid4()), "layouts": {layout: KEYS}, "records": records}
    return json.dumps(batch).encode()


def build_rows_body(index: int, frames: int) -> bytes:
    rows = [
        {
            "at": format_moment(at),
            "samples": [
                {"metric": key, "value": value} for key, value in zip(KEYS, values, strict=True)
            ],
        }
        for at, values in iterate_frames(index, frames)
    ]
    return json.dumps({"frames": rows}).encode()


def send_all(address: str, path: str, requests: list[Request]) -> int:
    """How many requests were answered with 200, over one kept connection."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    accepted = 0
    for request in requests:
        headers = {"Authorization": f"Agent {request.key}", "Content-Type": "application/json"}
        connection.request("POST", path, request.body, headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{answer.status}: {text[:300]!r}")
        accepted += 1
    connection.close()
    return accepted


def find_process_id(cluster: Cluster) -> int:
    if cluster.process is None:
        raise RuntimeError("the cluster belongs to another process")
    return cluster.process.pid


@dataclass(frozen=True, slots=True)
class Way:
    """One way of storing: where to send, what, and which processes pay for it."""

    name: str
    address: str
    path: str
    web_process_id: int
    database_process_id: int
    keys: list[str]
    build_body: Callable[[int, int], bytes]


def measure(way: Way, *, requests: int, frames_per_request: int) -> Measured:
    """Warm up with one request a client, then send `requests` from two processes."""
    total = CLIENTS + requests
    made = [
        Request(way.keys[i % CLIENTS], way.build_body(i, frames_per_request)) for i in range(total)
    ]
    with ProcessPoolExecutor(SENDERS) as pool:
        run_senders(pool, way, made[:CLIENTS])
        web_before = read_tree_seconds([way.web_process_id])
        database_before = read_tree_seconds([way.database_process_id])
        started = time.monotonic()
        accepted = run_senders(pool, way, made[CLIENTS:])
        wall_seconds = time.monotonic() - started
        web_seconds = read_tree_seconds([way.web_process_id]) - web_before
        database_seconds = read_tree_seconds([way.database_process_id]) - database_before
    return Measured(
        name=way.name,
        values=accepted * frames_per_request * METRICS,
        wall_seconds=wall_seconds,
        processor_seconds=web_seconds + database_seconds,
        database_seconds=database_seconds,
    )


def run_senders(pool: ProcessPoolExecutor, way: Way, requests: list[Request]) -> int:
    shares = [requests[number::SENDERS] for number in range(SENDERS)]
    jobs = [pool.submit(send_all, way.address, way.path, share) for share in shares]
    return sum(job.result() for job in jobs)


def measure_frames(
    cluster: Cluster, requests: int, *, frames_per_request: int = FRAMES_PER_REQUEST
) -> Measured:
    """What this product stores through its own stack on a new database of the cluster."""
    with run_stack("postgresql", postgresql=cluster, with_worker=False, with_beat=False) as stack:
        keys = stack.run_python("-c", ENROL_ALL.format(count=CLIENTS)).split()
        way = Way(
            name="frames (this product)",
            address=stack.base_url,
            path="/api/v1/agent/records",
            web_process_id=stack.children["web"].process_id,
            database_process_id=find_process_id(cluster),
            keys=keys[-CLIENTS:],
            build_body=build_frames_body,
        )
        return measure(way, requests=requests, frames_per_request=frames_per_request)


@contextmanager
def run_row_server(cluster: Cluster) -> Iterator[tuple[str, int]]:
    """The address and process of the plain design's server, with its tables and keys made."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-rows-"))
    environment = {
        **build_site(cluster.create_database(), folder).environment,
        "DJANGO_SETTINGS_MODULE": "benchmarks.row_per_metric.settings",
    }
    for arguments in (
        ["-m", "django", "migrate", "--run-syncdb", "--verbosity=0"],
        ["-c", CREATE_SENDERS.format(count=CLIENTS)],
    ):
        subprocess.run([sys.executable, *arguments], env=environment, check=True)
    port = find_free_port()
    argv = [sys.executable, "-m", "uvicorn", "benchmarks.row_per_metric.asgi:application"]
    server = subprocess.Popen(
        [*argv, "--port", str(port), "--log-level", "warning", "--no-access-log"], env=environment
    )
    try:
        wait_until(lambda: is_listening(port), seconds=30, what="the plain server")
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait()


def is_listening(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/samples")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def measure_rows(cluster: Cluster, requests: int, *, frames_per_request: int) -> Measured:
    with run_row_server(cluster) as (address, process_id):
        way = Way(
            name="DRF serializer + ORM row per value",
            address=address,
            path="/samples",
            web_process_id=process_id,
            database_process_id=find_process_id(cluster),
            keys=[f"key-{number}" for number in range(CLIENTS)],
            build_body=build_rows_body,
        )
        return measure(way, requests=requests, frames_per_request=frames_per_request)


def main() -> None:
    parser = argparse.ArgumentParser(description="Values stored per processor-second.")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--frames-per-request", type=int, default=FRAMES_PER_REQUEST)
    arguments = parser.parse_args()
    frames = arguments.frames_per_request
    fewer = max(arguments.requests // 6, CLIENTS)
    cluster = start_cluster()
    try:
        ours = measure_frames(cluster, arguments.requests, frames_per_request=frames)
        plain = measure_rows(cluster, fewer, frames_per_request=frames)
    finally:
        cluster.stop()
    header = ("path", "values", "wall s", "CPU s", "in database", "values/s", "values/CPU s")
    print_table(header, [ours.as_row(), plain.as_row()])
    finish(
        Claim(
            claim="values stored per CPU-second, against an ORM row for each value",
            value=round(ours.values_per_processor_second / plain.values_per_processor_second, 2),
            unit="ratio",
            goal=GOAL_RATIO,
            better="higher",
            beside={
                "frames_per_request": frames,
                "values_per_cpu_second": round(ours.values_per_processor_second),
                "row_per_metric_values_per_cpu_second": round(plain.values_per_processor_second),
            },
        )
    )


if __name__ == "__main__":
    main()
