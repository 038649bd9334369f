"""This product on PostgreSQL: agents' frames through the authenticated door, Redis beside it."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.ingest import ENROL_ALL, KEYS, format_moment
from benchmarks.peers.rows import DATABASE_PROGRAM, Questions
from benchmarks.peers.work import CLIENTS, METRICS, Address, Batch, Request, Send, send_http
from tests.faults.postgresql import KillableCluster, run_killable_cluster
from tests.servers.stack import Stack, run_stack

LAYOUT = hashlib.sha256("\n".join(KEYS).encode()).hexdigest()[:16]
COUNT = "SELECT coalesce(sum(cardinality(values)), 0) FROM metrics_frame WHERE at >= %s AND at < %s"
SEEN = "SELECT count(*) FROM metrics_frame WHERE at = %s"


@dataclass(slots=True)
class Ours:
    """As System. Worker and beat stand still, as they would beside a peer without triggers."""

    stack: Stack
    cluster: KillableCluster
    questions: Questions
    keys: list[str]
    name: str = "StreamSwarm"
    is_stored_when_acknowledged: bool = True
    send: Send = send_http

    @property
    def address(self) -> Address:
        return Address(self.stack.site.port, "/api/v1/agent/records")

    def encode(self, batch: Batch) -> Request:
        records = [
            {
                "id": str(number),
                "kind": "frame",
                "at": format_moment(read_moment(at_ms)),
                "data": {
                    "source": {"kind": "cpu", "subject": ""},
                    "seq": at_ms,
                    "layout": LAYOUT,
                    "values": values,
                    "absent": {},
                },
            }
            for number, (at_ms, values) in enumerate(batch.frames)
        ]
        content = {"batch": str(uuid.uuid4()), "layouts": {LAYOUT: KEYS}, "records": records}
        return Request(
            json.dumps(content, separators=(",", ":")).encode(),
            {
                "Authorization": f"Agent {self.keys[batch.client]}",
                "Content-Type": "application/json",
            },
        )

    def list_programs(self) -> dict[str, int]:
        programs = {name: child.process_id for name, child in self.stack.children.items()}
        return programs | {DATABASE_PROGRAM: self.cluster.process.pid}

    def read_uncounted_seconds(self) -> float:
        return self.questions.read_seconds()

    def count_values(self, from_ms: int, until_ms: int) -> int:
        return int(self.questions.ask(COUNT, read_moment(from_ms), read_moment(until_ms)))

    def is_seen(self, at_ms: int) -> bool:
        return bool(self.questions.ask(SEEN, read_moment(at_ms)))

    def measure_disk_bytes(self) -> int:
        return self.questions.measure_bytes()

    def kill9(self) -> None:
        self.stack.kill9("web")
        self.cluster.kill9()

    def restart(self) -> None:
        self.cluster.start()
        self.questions.connect()
        self.stack.children["web"].start()


def read_moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


@contextmanager
def run_ours() -> Iterator[Ours]:
    """Redis and the web server with enrolled clients, on a cluster of its own."""
    if len(KEYS) != METRICS:
        raise ValueError(f"the layout has {len(KEYS)} keys, the work {METRICS} metrics")
    with (
        run_killable_cluster() as cluster,
        run_stack(
            "postgresql", postgresql=cluster.cluster, with_worker=False, with_beat=False
        ) as stack,
    ):
        printed = stack.run_python("-c", ENROL_ALL.format(count=CLIENTS)).split()
        questions = Questions(stack.database_url)
        try:
            yield Ours(stack, cluster, questions, printed[-CLIENTS:])
        finally:
            questions.close()
