"""The agents' socket: the server nudges, the agent says nothing."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from apps.clients.services import identify_key
from apps.core.errors import NotAuthenticated
from apps.ingest.authentication import SCHEME
from apps.ingest.nudges import group_of

CLOSE_NOT_AUTHENTICATED = 4401


class AgentConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """Joined to the group of the client whose key opened it; closed when the key stops working."""

    group = ""
    secret = ""

    async def connect(self) -> None:
        headers = dict(self.scope["headers"])
        self.secret = headers.get(b"authorization", b"").decode("latin-1").removeprefix(SCHEME)
        await self.accept()
        if await self.check_key():
            await self.channel_layer.group_add(self.group, self.channel_name)

    async def check_key(self) -> bool:
        """Whether the key is valid; closes the socket when it is not."""
        try:
            key = await database_sync_to_async(identify_key)(self.secret)
        except NotAuthenticated as error:
            await self.send_json({"error": error.code})
            await self.close(CLOSE_NOT_AUTHENTICATED)
            return False
        self.group = group_of(key.client_id)
        return True

    async def disconnect(self, _code: int) -> None:
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, _content: Any, **_options: Any) -> None:
        """What an agent says here has no meaning; its calls go over HTTPS."""

    async def agent_nudge(self, message: dict[str, Any]) -> None:
        await self.send_json({"nudge": message["nudge"]})

    async def agent_recheck(self, _message: dict[str, Any]) -> None:
        await self.check_key()
