"""The agents' door as a process of its own: their calls, their socket, and the two health checks.

It serves no page and no session, so it can be multiplied, restarted and put elsewhere without any
user noticing.
"""

from streamswarm.routes import agent_calls, agent_socket, door  # isort: skip  (sets up Django first)

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path, re_path

NOT_FOUND = b'{"code": "not_found", "detail": "Only agents are served here.", "data": {}}'


async def answer_not_found(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": NOT_FOUND})


nothing: Any = answer_not_found

application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [agent_calls, path("healthz", door), path("readyz", door), re_path("", nothing)]
        ),
        "websocket": URLRouter([agent_socket]),
    }
)
