"""The ASGI applications that servers are made of: the agents' door, and the agents' socket."""

from streamswarm.wsgi import AGENT_DOOR, agent_door  # isort: skip  (sets up Django first)

from typing import Any

from django.conf import settings
from django.urls import path

from apps.ingest.codec import WIRE_LIMIT_BYTES
from apps.ingest.consumers import AgentConsumer
from streamswarm.door import BufferedDoor

# Any: path() is typed for Django's views, Channels routes ASGI applications with it.
door: Any = BufferedDoor(
    agent_door, threads=settings.SWARM_WEB_THREADS, limit_bytes=WIRE_LIMIT_BYTES
)
# Agents prove themselves by their key and send no Origin.
agent_socket: Any = path("ws/agent/", AgentConsumer.as_asgi())
agent_calls: Any = path(AGENT_DOOR.lstrip("/") + "<path:call>", door)
