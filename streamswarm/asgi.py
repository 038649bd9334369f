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
from streamswarm.routes import agent_calls, agent_socket
from streamswarm.silence import Silence
from streamswarm.site import BoundedSite

THREADS = settings.SWARM_WEB_THREADS
STATUS_THREADS = 2

pool = WSGIMiddleware(whole_site, workers=THREADS)  # type: ignore[arg-type]  # two libraries' ideas of WSGI
status = WSGIMiddleware(whole_site, workers=STATUS_THREADS)  # type: ignore[arg-type]  # as above
# Any: path() is typed for Django's views, Channels routes ASGI applications with it.
site: Any = BoundedSite(pool, status=status, threads=THREADS, silence=Silence())
live: Any = AllowedHostsOriginValidator(AuthMiddlewareStack(LiveConsumer.as_asgi()))

application = ProtocolTypeRouter(
    {
        "http": URLRouter([agent_calls, re_path("", site)]),
        "websocket": URLRouter([agent_socket, path("ws/live/", live)]),
    }
)
