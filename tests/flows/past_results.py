"""A simulated agent that knows the past: results of earlier runs, sent as any agent sends them."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http
from streamswarm_agent.wire.batches import MAXIMUM_RECORDS, encode_batch
from streamswarm_agent.wire.records import SpooledRecord
from streamswarm_agent.wire.results import Finding, StartedRun, build_result
from streamswarm_agent.wire.schedule import make_run_id
from streamswarm_agent.wire.times import format_time

# Far from those that the agent derives while the test goes on.
FIRST_SLOT = 1 << 40
PERIOD_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Past:
    """`count` runs of an assignment, a second each, the last of which ends at `until`.

    `usual` are the values of a run that was well; those of each run vary around them.
    """

    assignment_id: str
    revision: int
    usual: Mapping[str, float]
    count: int
    until: float


def send_past(base_url: str, key: str, past: Past, *, seed: int = 1) -> int:
    """How many results the server stored of those that the agent with this key has sent."""
    rng = random.Random(seed)  # noqa: S311 - test values, no secrets
    return asyncio.run(_send(base_url, key, list(draw_records(past, rng))))


def draw_records(past: Past, rng: random.Random) -> list[SpooledRecord]:
    begin = past.until - past.count * PERIOD_SECONDS
    records = []
    for number in range(past.count):
        started_at = begin + number * PERIOD_SECONDS
        slot = FIRST_SLOT + number
        started = StartedRun(
            run=make_run_id(past.assignment_id, past.revision, slot),
            assignment=past.assignment_id,
            slot=slot,
            revision=past.revision,
            started_at=format_time(started_at),
        )
        values = {name: vary(value, rng) for name, value in past.usual.items()}
        found = Finding("completed", is_success=True, method="icmp", values=values)
        one = build_result(started, found, finished_at=format_time(started_at + PERIOD_SECONDS))
        spooled = SpooledRecord(number, one.kind, one.at, None, one.payload, len(one.payload))
        records.append(spooled)
    return records


def vary(value: float, rng: random.Random) -> float:
    """About as much as round trips of a quiet path do; what is 0 or 1 stays."""
    return value if value in {0.0, 1.0} else value * rng.lognormvariate(0.0, 0.03)


async def _send(base_url: str, key: str, records: list[SpooledRecord]) -> int:
    server = ServerClient(open_http(base_url, make_tls_context(base_url, None)), key)
    stored = 0
    try:
        for first in range(0, len(records), MAXIMUM_RECORDS):
            answer = await server.send_records(
                encode_batch(records[first : first + MAXIMUM_RECORDS], {})
            )
            stored += len(answer.stored)
    finally:
        await server.close()
    return stored
