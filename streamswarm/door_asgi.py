"""The agents' door as a process of its own: their calls, their socket, and the two health checks.

It serves no page and no session, so it can be multiplied, restarted and put elsewhere without any
user noticing.
"""

from streamswarm.routes import agent_calls, agent_socket  # isort: skip  (sets up Django first)

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

from streamswarm.silence import Silence
from streamswarm.site import BoundedSite
from streamswarm.wsgi import agent_door

STATUS_THREADS = 2
NOT_FOUND = b'{"code": "not_found", "detail": "Only agents are served here.", "data": {}}'


async def answer_not_found(
    _scope: MutableMapping[str, Any],
    _receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": NOT_FOUND})


status = WSGIMiddleware(agent_door, workers=STATUS_THREADS)  # type: ignore[arg-type]  # two libraries' ideas of WSGI
# Any: path() is typed for Django's views, Channels routes ASGI applications with it.
rest: Any = BoundedSite(answer_not_found, status=status, threads=STATUS_THREADS, silence=Silence())

application = ProtocolTypeRouter(
    {
        "http": URLRouter([agent_calls, re_path("", rest)]),
        "websocket": URLRouter([agent_socket]),
    }
)
