"""The agents' socket: opened by a key, woken by changes, closed when the key stops working."""

import asyncio
import json

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import connections

from apps.clients.published import ClientChanged
from apps.clients.services import revoke_keys
from apps.ingest import nudges
from apps.ingest.consumers import AgentConsumer
from apps.tests.published import ScheduleChanged
from tests.factories.clients import make_client, make_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def layer_in_memory(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(autouse=True)
async def sessions_closed():
    """Leaves no database session open in the thread that the sockets ask in."""
    yield
    await database_sync_to_async(connections.close_all)()


@pytest.fixture
def pushed(monkeypatch):
    """What would have been sent, by group."""
    sent = []
    monkeypatch.setattr(nudges, "push", lambda group, message: sent.append((group, message)))
    return sent


@pytest.fixture
def probe():
    return make_client()


@pytest.fixture
def key(probe):
    return make_key(probe)


async def open_socket(secret):
    """An accepted socket, as the server's side of the protocol sees it."""
    headers = [(b"authorization", f"Agent {secret}".encode())]
    scope = {"type": "websocket", "path": "/ws/agent/", "headers": headers}
    socket = ApplicationCommunicator(AgentConsumer.as_asgi(), scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output())["type"] == "websocket.accept"
    return socket


async def open_joined(secret, client):
    """A socket that has joined the group of its client."""
    socket = await open_socket(secret)
    async with asyncio.timeout(5):
        while not get_channel_layer().groups.get(nudges.group_of(client.id)):  # noqa: ASYNC110 - the layer has no event for it
            await asyncio.sleep(0)
    return socket


async def read(socket):
    return json.loads((await socket.receive_output())["text"])


async def deliver(pushed):
    for group, message in pushed:
        await get_channel_layer().group_send(group, message)


async def close(socket):
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait()


async def test_an_agent_is_nudged_over_its_socket(probe, key, pushed):
    socket = await open_joined(key, probe)
    await socket.send_input({"type": "websocket.receive", "text": '{"it": "has no meaning"}'})
    nudges.nudge_schedules(ScheduleChanged((probe.id,)))
    await deliver(pushed)
    assert await read(socket) == {"nudge": "leases"}
    await close(socket)


@pytest.mark.parametrize("secret", ["", "nothing", "00000000." + "x" * 43])
async def test_without_a_valid_key_the_socket_says_why_and_closes(secret):
    socket = await open_socket(secret)
    assert await read(socket) == {"error": "key_unknown"}
    closing = await socket.receive_output()
    assert (closing["type"], closing["code"]) == ("websocket.close", 4401)


async def test_a_key_that_is_revoked_closes_the_open_socket(probe, key, pushed):
    socket = await open_joined(key, probe)
    await database_sync_to_async(revoke_keys)(client=probe)
    nudges.recheck_key(ClientChanged(probe.id))
    await deliver(pushed[-1:])
    assert await read(socket) == {"error": "key_revoked"}
    assert (await socket.receive_output())["code"] == 4401


async def test_a_nudge_for_one_agent_reaches_no_other(probe, key, pushed):
    other = await database_sync_to_async(make_client)("other")
    socket = await open_joined(key, probe)
    nudges.nudge_schedules(ScheduleChanged((other.id,)))
    await deliver(pushed)
    assert await socket.receive_nothing()
    await close(socket)
