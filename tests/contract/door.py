"""The agent's own HTTP client talking to the server's own views, without a socket between them."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import httpx
from asgiref.sync import sync_to_async

from tests.contract.wire_contract import list_violations

ADDRESS = "http://testserver"
PREFIX = "/api/v1/agent/"


# Not what the transport of a real connection would settle by itself.
NOT_PASSED = frozenset({"host", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call as both sides said it; `body` is None for a call without one."""

    call: str
    body: Any
    status: int
    answer: Any

    def list_violations(self):
        found = [] if self.body is None else list_violations(f"{self.call}_request", self.body)
        if self.status >= httpx.codes.BAD_REQUEST:
            return found + list_violations("error", self.answer)
        return found + list_violations(f"{self.call}_answer", self.answer)


class DoorTransport(httpx.AsyncBaseTransport):
    """Carries an agent's requests to a Django test client and keeps every exchange.

    The views run in the thread of `async_to_sync`, which holds the test's database connection.
    """

    def __init__(self, http):
        self._http = http
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request):
        content = await request.aread()
        answer = await sync_to_async(self._http.generic)(
            request.method,
            request.url.path,
            content,
            content_type=request.headers.get("content-type", ""),
            headers={
                name: text for name, text in request.headers.items() if name not in NOT_PASSED
            },
        )
        self.exchanges.append(
            Exchange(
                call=request.url.path.removeprefix(PREFIX),
                body=read_document(content, request.headers.get("content-encoding")),
                status=answer.status_code,
                answer=read_document(answer.content, None),
            )
        )
        return httpx.Response(
            answer.status_code, headers=dict(answer.headers.items()), content=answer.content
        )

    def list_calls(self):
        return [exchange.call for exchange in self.exchanges]

    def list_violations(self):
        """Everything that either side said against the schema; an empty 304 says nothing."""
        return [
            violation
            for exchange in self.exchanges
            if exchange.status != httpx.codes.NOT_MODIFIED
            for violation in exchange.list_violations()
        ]


def read_document(content, encoding):
    plain = gzip.decompress(content) if encoding == "gzip" else content
    return json.loads(plain) if plain else None
