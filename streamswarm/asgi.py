"""One port: HTTP in fixed pools of threads through WSGI, WebSockets through Channels."""

from streamswarm.wsgi import whole_site  # isort: skip  (sets up Django first)

from typing import Any

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path, re_path

from apps.dashboard.consumers import LiveConsumer
from streamswarm.door import BoundedSite
from streamswarm.routes import agent_calls, agent_socket

THREADS = settings.SWARM_WEB_THREADS

pool = WSGIMiddleware(whole_site, workers=THREADS)  # type: ignore[arg-type]  # two libraries' ideas of WSGI
# Any: path() is typed for Django's views, Channels routes ASGI applications with it.
site: Any = BoundedSite(pool, threads=THREADS)
live: Any = AllowedHostsOriginValidator(AuthMiddlewareStack(LiveConsumer.as_asgi()))

application = ProtocolTypeRouter(
    {
        "http": URLRouter([agent_calls, re_path("", site)]),
        "websocket": URLRouter([agent_socket, path("ws/live/", live)]),
    }
)
