"""The five calls of an agent (docs/wire.md, "Calls")."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from streamswarm_agent.errors import CallFailed, CallRefused
from streamswarm_agent.wire.messages import (
    Config,
    Enrolment,
    HeartbeatAnswer,
    RecordsAnswer,
)
from streamswarm_agent.wire.records import encode_json

FOREIGN_ANSWER = "not_our_server"
_API = "/api/v1/agent"
_LONGEST_RETRY_AFTER_SECONDS = 3600.0
_JSON = {"Content-Type": "application/json"}

Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class ConfigAnswer:
    """A new configuration, as understood and as it came, its ETag and the answer's `Date`."""

    config: Config
    document: dict[str, Any]
    etag: str
    date: str


class ServerClient:
    """One agent's calls to its server.

    Every call raises CallFailed when no understandable answer came (it may have taken effect) and
    CallRefused when the server said no.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        key: str = "",
        *,
        on_records_sent: Callable[[], None] | None = None,
    ) -> None:
        """`on_records_sent` is called when a batch is out and its answer not yet read."""
        self._http = http
        self._headers = {"Authorization": f"Agent {key}"} if key else {}
        self._on_records_sent = on_records_sent

    async def close(self) -> None:
        await self._http.aclose()

    async def enrol(
        self, *, token: str, name: str, agent_version: str, inventory: Mapping[str, Any]
    ) -> Enrolment:
        body = {
            "token": token,
            "name": name,
            "agent_version": agent_version,
            "inventory": inventory,
        }
        return _understand(Enrolment.parse, await self._post("enrol", body))

    async def heartbeat(self, body: Mapping[str, Any]) -> HeartbeatAnswer:
        return _understand(HeartbeatAnswer.parse, await self._post("heartbeat", body))

    async def lease(self, *, horizon_seconds: float) -> dict[str, Any]:
        """The answer as it came, because it is kept on disk; `Lease.parse` understands it."""
        return _read_object(await self._post("leases", {"horizon_seconds": horizon_seconds}))

    async def send_records(self, body: bytes) -> RecordsAnswer:
        """The answer to a gzipped batch."""
        headers = {"Content-Encoding": "gzip"} | _JSON
        response = await self._call("POST", "records", content=body, headers=headers)
        return _understand(RecordsAnswer.parse, response)

    async def fetch_config(self, etag: str = "") -> ConfigAnswer | None:
        """The configuration, or None when it still is the one with this ETag."""
        condition = {"If-None-Match": etag} if etag else {}
        response = await self._call("GET", "config", headers=condition)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        document = _read_object(response)
        config = _understand(Config.parse, response)
        headers = response.headers
        return ConfigAnswer(config, document, headers.get("ETag", ""), headers.get("Date", ""))

    async def _post(self, call: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self._call("POST", call, content=encode_json(body).encode(), headers=_JSON)

    async def _call(
        self, method: str, call: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        try:
            response = await self._http.request(
                method,
                f"{_API}/{call}",
                content=content,
                headers=self._headers | dict(headers),
                extensions=self._trace() if call == "records" else None,
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise CallFailed(f"{call}: {reason}") from error
        is_unchanged = response.status_code == httpx.codes.NOT_MODIFIED
        if not response.is_success and not is_unchanged:
            raise read_refusal(response)
        return response

    def _trace(self) -> dict[str, Any] | None:
        notify = self._on_records_sent
        if notify is None:
            return None

        async def watch(event: str, _details: Mapping[str, Any]) -> None:
            if event.endswith("send_request_body.complete"):
                notify()

        return {"trace": watch}


def read_refusal(response: httpx.Response) -> CallRefused:
    """What a refusal says: code, sentence with the fields at fault, and when to come back."""
    try:
        document = response.json()
        code, detail = str(document["code"]), str(document["detail"])
        fields = document.get("data", {}).get("errors", [])
        detail = "; ".join([detail, *(f"{entry['field']}: {entry['detail']}" for entry in fields)])
    except (ValueError, KeyError, TypeError, AttributeError):
        code, detail = FOREIGN_ANSWER, f"the answer is {response.status_code} and no StreamSwarm"
        if response.is_redirect:
            detail = f"the server redirects to {response.headers.get('Location', '?')}"
    return CallRefused(
        response.status_code,
        code,
        detail,
        retry_after_seconds=_read_retry_after(response.headers.get("Retry-After")),
    )


def _read_retry_after(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    if not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, _LONGEST_RETRY_AFTER_SECONDS)


def _read_object(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError as error:
        raise CallFailed(f"the server's answer is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise CallFailed("the server's answer is no JSON object")
    return document


def _understand(parse: Callable[[Mapping[str, Any]], Message], response: httpx.Response) -> Message:
    document = _read_object(response)
    try:
        return parse(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CallFailed(f"the server's answer is not understood: {error!r}") from error
