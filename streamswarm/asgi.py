"""One port: HTTP in a fixed pool of threads through WSGI, WebSockets through Channels."""

from streamswarm.wsgi import application as wsgi_application  # isort: skip  (sets up Django first)

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path

from apps.dashboard.consumers import LiveConsumer
from apps.ingest.consumers import AgentConsumer

application = ProtocolTypeRouter(
    {
        "http": WSGIMiddleware(wsgi_application, workers=settings.SWARM_WEB_THREADS),
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
