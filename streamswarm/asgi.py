"""One port: HTTP in fixed pools of threads through WSGI, WebSockets through Channels."""

from streamswarm.wsgi import AGENT_DOOR, agent_door, whole_site  # isort: skip  (sets up Django first)

from typing import Any

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path, re_path

from apps.dashboard.consumers import LiveConsumer
from apps.ingest.codec import WIRE_LIMIT_BYTES
from apps.ingest.consumers import AgentConsumer
from streamswarm.door import BoundedSite, BufferedDoor

THREADS = settings.SWARM_WEB_THREADS

# Any: path() is typed for Django's views, Channels routes ASGI applications with it.
door: Any = BufferedDoor(agent_door, threads=THREADS, limit_bytes=WIRE_LIMIT_BYTES)
pool = WSGIMiddleware(whole_site, workers=THREADS)  # type: ignore[arg-type]  # two libraries' ideas of WSGI
site: Any = BoundedSite(pool, threads=THREADS)

http = URLRouter([path(AGENT_DOOR.lstrip("/") + "<path:call>", door), re_path("", site)])

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [
                # Agents prove themselves by their key and send no Origin.
                path("ws/agent/", AgentConsumer.as_asgi()),
                path(
                    "ws/live/",
                    AllowedHostsOriginValidator(AuthMiddlewareStack(LiveConsumer.as_asgi())),
                ),
            ]
        ),
    }
)
