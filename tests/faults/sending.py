"""Uploads through the real door without an agent, and a ledger of what was sent by them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from tests.factories import wire
from tests.faults.oracle import Database, Verdict, compare
from tests.servers.stack import Stack, run_stack

RECORDS_PATH = "/api/v1/agent/records"
TIMEOUT_SECONDS = 60.0
ISSUE_KEYS = (
    "import django; django.setup()\n"
    "from django.db import transaction\n"
    "from apps.clients.models import Client\n"
    "from apps.clients.services.keys import issue_key\n"
    "from apps.core.clock import read_now\n"
    "with transaction.atomic():\n"
    "    for number in range({count}):\n"
    "        client = Client.objects.create(name=f'{name}-{{number}}', enrolled_at=read_now())\n"
    "        print(client.id, issue_key(client))\n"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A client that sends what it is told; `http` may be used by many threads at once."""

    client_id: str
    key: str
    http: httpx.Client = field(repr=False)

    def post(self, body: Any) -> httpx.Response:
        """The door's answer to a batch, given as a document or as the bytes themselves."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        headers = {"Authorization": f"Agent {self.key}", "Content-Type": "application/json"}
        return self.http.post(RECORDS_PATH, headers=headers, **content)

    def send(self, *records: dict[str, Any]) -> dict[str, Any]:
        """What became of each record.

        Raises: HTTPStatusError when the batch was not taken.
        """
        answer: dict[str, Any] = self.post(wire.batch(*records)).raise_for_status().json()
        return answer

    def judge(self, stack: Stack, records: Sequence[dict[str, Any]]) -> Verdict:
        """How the database compares with these records, which are all this client ever sent."""
        ledger = map(describe_record, records)
        return compare(ledger, Database.of(stack.environment).list_measurements(self.client_id))


def describe_record(record: dict[str, Any]) -> str:
    """The ledger's line of a frame or result on the wire."""
    payload = record["data"]
    if record["kind"] == "result":
        return f"result {payload['run']}"
    source = payload["source"]
    place = f"{source['kind']} {quote(source['subject'], safe='/:') or '-'}"
    return f"frame {place} {payload['seq']} {record['at']}"


def issue_keys(stack: Stack, count: int, name: str = "sender") -> list[tuple[str, str]]:
    """So many new clients of the server, by id and key."""
    lines = stack.run_python("-c", ISSUE_KEYS.format(count=count, name=name)).splitlines()
    pairs = [line.split(" ") for line in lines if line.count(" ") == 1]
    return [(client_id, key) for client_id, key in pairs]


@contextmanager
def open_sender(stack: Stack, name: str = "sender") -> Iterator[Sender]:
    """A new client of a running server."""
    ((client_id, key),) = issue_keys(stack, 1, name)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    with httpx.Client(
        base_url=stack.base_url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
    ) as http:
        yield Sender(client_id, key, http)


@contextmanager
def run_door(request: Any, **options: Any) -> Iterator[Stack]:
    """A server without worker and beat, on the database that is the fixture's parameter."""
    is_postgresql = request.param == "postgresql"
    cluster = request.getfixturevalue("postgresql_server") if is_postgresql else None
    options = {"with_worker": False, "with_beat": False, **options}
    with run_stack(request.param, postgresql=cluster, **options) as stack:
        yield stack
