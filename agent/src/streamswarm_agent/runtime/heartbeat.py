"""The heartbeat: exchanges time stamps and notices what has changed on the server."""

from collections.abc import Callable, Mapping
from typing import Any

from streamswarm_agent import __version__
from streamswarm_agent.runtime.clock import Exchange, ServerTime
from streamswarm_agent.runtime.orders import Orders
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.runtime.wakes import Wakes
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.wire.records import hash_inventory
from streamswarm_agent.wire.times import format_time


class Heartbeat:
    """Tells the server that and how this process lives."""

    def __init__(
        self,
        client: ServerClient,
        server_time: ServerTime,
        *,
        recorder: Recorder,
        settings: Settings,
        orders: Orders,
        wakes: Wakes,
        describe_process: Callable[[], Mapping[str, Any]],
    ) -> None:
        """`describe_process` gives the fields that only the other parts know."""
        self._client = client
        self._server_time = server_time
        self._recorder = recorder
        self._settings = settings
        self._orders = orders
        self._wakes = wakes
        self._describe_process = describe_process
        self._inventory: Mapping[str, Any] = {}
        self._inventory_hash = ""
        self.period_seconds = settings.config.heartbeat_seconds

    def replace_inventory(self, inventory: Mapping[str, Any]) -> None:
        """Describe the host like this from now on, and say so at once when it is new."""
        inventory_hash = hash_inventory(inventory)
        if inventory_hash != self._inventory_hash:
            self._inventory, self._inventory_hash = inventory, inventory_hash
            self._wakes.heartbeat.set()

    async def send(self) -> None:
        clock = self._server_time.clock
        sent_monotonic = clock.monotonic()
        answer = await self._client.heartbeat(self._describe())
        self._server_time.learn(
            Exchange(sent_monotonic, answer.received_at, answer.answered_at, clock.monotonic())
        )
        self.period_seconds = answer.heartbeat_seconds
        if _strip_etag(answer.config_etag) != _strip_etag(self._settings.etag):
            self._wakes.config.set()
        if answer.schedule_revision != self._orders.schedule_revision:
            self._wakes.leases.set()
        if answer.is_inventory_wanted and self._inventory:
            await self._recorder.record_inventory(self._inventory)

    def _describe(self) -> dict[str, Any]:
        return {
            "sent_at": format_time(self._server_time.clock.wall()),
            "agent_version": __version__,
            "inventory_hash": self._inventory_hash,
            "clock_offset_seconds": self._server_time.offset_seconds,
            "clock_error_seconds": self._server_time.error_seconds,
            **self._describe_process(),
        }


def _strip_etag(etag: str) -> str:
    """An ETag without what proxies and servers add: the weakness mark and the quotes."""
    return etag.removeprefix("W/").strip('"')
