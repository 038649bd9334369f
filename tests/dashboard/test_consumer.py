"""The browsers' socket: who may listen to what, and for how long."""

import asyncio
import json
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from django.conf import settings as django_settings
from django.db import OperationalError, connection, connections
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from redis import RedisError

from apps.accounts.models import Role
from apps.clients.models import Client
from apps.core.clock import read_now
from apps.dashboard import consumers, echo, guards
from apps.dashboard.broadcast import Broadcast
from apps.dashboard.consumers import LiveConsumer
from apps.dashboard.echo import Echo
from apps.dashboard.guards import Guard, judge_sessions
from apps.dashboard.topics import name_group
from tests.dashboard.scene import build_scene
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db(transaction=True)

WAIT_SECONDS = 5


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    monkeypatch.setattr(consumers, "GUARD", Guard())
    monkeypatch.setattr(consumers, "BROADCAST", Broadcast())
    monkeypatch.setattr(Guard, "check_seconds", 0.05)
    monkeypatch.setattr(LiveConsumer, "batch_seconds", 0.01)
    consumers.CONNECTIONS.clear()


@pytest.fixture
def corners():
    return build_scene(read_now())


@pytest.fixture
def viewer():
    return make_user("vera", "viewer", site="vienna")


class Socket:
    """A browser's socket, with the session of a user who signed in."""

    def __init__(self, user):
        self.is_left = False
        self.browser = Browser()
        headers = []
        if user is not None:
            self.browser.force_login(user)
            key = self.browser.cookies[django_settings.SESSION_COOKIE_NAME].value
            headers = [(b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={key}".encode())]
        scope = {"type": "websocket", "path": "/ws/live/", "headers": headers, "query_string": b""}
        self.line = ApplicationCommunicator(AuthMiddlewareStack(LiveConsumer.as_asgi()), scope)

    async def open(self, *topics):
        await self.line.send_input({"type": "websocket.connect"})
        assert (await self.line.receive_output(WAIT_SECONDS))["type"] == "websocket.accept"
        if topics:
            await self.say(json.dumps({"subscribe": topics}))
        return self

    async def say(self, text):
        await self.line.send_input({"type": "websocket.receive", "text": text})

    async def read(self):
        return json.loads((await self.line.receive_output(WAIT_SECONDS))["text"])

    async def read_until(self, name):
        """The first batch that has `name`; batches in between only say that the line is alive."""
        while name not in (batch := await self.read()):
            continue
        return batch

    async def read_close_code(self):
        while (event := await self.line.receive_output(WAIT_SECONDS))["type"] != "websocket.close":
            continue
        return event["code"]

    async def leave(self):
        if self.is_left:
            return
        self.is_left = True
        await self.line.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.line.wait()


@pytest.fixture
async def dial():
    sockets = []

    async def open_socket(user, *topics):
        socket = await sync_to_async(Socket)(user)
        sockets.append(socket)
        return await socket.open(*topics)

    yield open_socket
    for socket in sockets:
        await socket.leave()
    # The thread of the event loop has a database session of its own.
    await sync_to_async(connections.close_all)()


async def push(topic, **message):
    await get_channel_layer().group_send(name_group(topic), {"type": "live.message", **message})


async def test_a_subscriber_gets_hints_and_frames_in_numbered_batches(dial, viewer, corners):
    topic = f"client:{corners.vienna.client.id}"
    socket = await dial(viewer, "overview", topic)
    assert (await socket.read())["seq"] == 1
    await push("overview", hint="overview")
    hinted = await socket.read_until("hints")
    assert hinted["hints"] == ["overview"]
    await push(topic, frames=[{"topic": topic, "at": 1.0, "values": {}}])
    filled = await socket.read_until("frames")
    assert filled["frames"][0]["topic"] == topic
    assert filled["seq"] > hinted["seq"]


async def test_what_comes_together_is_sent_together(dial, viewer, monkeypatch):
    monkeypatch.setattr(LiveConsumer, "batch_seconds", 0.2)
    socket = await dial(viewer, "overview")
    await socket.read()
    for _count in range(50):
        await push("overview", hint="overview")
    batch = await socket.read_until("hints")
    assert batch["hints"] == ["overview"]
    assert batch["seq"] <= 3


async def test_a_visitor_is_turned_away(dial):
    socket = await dial(None)
    assert await socket.read_close_code() == 4401


@pytest.mark.parametrize("kind", ["client", "test", "run", "assignment"])
async def test_a_viewer_may_not_listen_to_another_site(dial, viewer, corners, kind):
    socket = await dial(viewer, f"{kind}:{getattr(corners.graz, kind).id}")
    assert await socket.read_close_code() == 4403


@pytest.mark.parametrize("kind", ["client", "test", "run", "assignment"])
async def test_a_viewer_may_listen_to_the_own_site(dial, viewer, corners, kind):
    socket = await dial(viewer, f"{kind}:{getattr(corners.vienna, kind).id}")
    assert (await socket.read())["seq"] == 1


async def test_without_a_role_there_is_nothing_to_listen_to(dial):
    user = await sync_to_async(make_user)("nobody")
    socket = await dial(user, "overview")
    assert await socket.read_close_code() == 4403


@pytest.mark.parametrize(
    "message",
    [
        '{"subscribe": ["nonsense"]}',
        '{"subscribe": ["client:1"]}',
        '{"subscribe": ["overview.admin"]}',
        '{"subscribe": "overview"}',
        '{"subscribe": [1]}',
        "[]",
        "{",
    ],
)
async def test_what_is_no_subscription_closes_the_socket(dial, viewer, message):
    socket = await dial(viewer)
    await socket.say(message)
    assert await socket.read_close_code() == 4400


async def test_a_socket_has_a_bounded_number_of_topics(dial, viewer):
    socket = await dial(viewer, *(f"client:{uuid4()}" for _count in range(51)))
    assert await socket.read_close_code() == 4400


async def test_signing_out_closes_the_socket(dial, viewer):
    socket = await dial(viewer, "overview")
    await socket.read()
    await sync_to_async(socket.browser.logout)()
    assert await socket.read_close_code() == 4401


async def test_a_deactivated_user_is_cut_off(dial, viewer):
    socket = await dial(viewer, "overview")
    await socket.read()
    viewer.is_active = False
    await viewer.asave()
    assert await socket.read_close_code() == 4401


async def test_a_role_that_is_taken_away_closes_the_socket(dial, viewer, corners):
    socket = await dial(viewer, f"client:{corners.vienna.client.id}")
    await socket.read()
    await Role.objects.filter(user=viewer).adelete()
    assert await socket.read_close_code() == 4403


async def test_a_client_that_moves_out_of_reach_closes_the_socket(dial, viewer, corners):
    socket = await dial(viewer, f"client:{corners.vienna.client.id}")
    await socket.read()
    await Client.objects.filter(id=corners.vienna.client.id).aupdate(
        site=corners.graz.client.site_id
    )
    assert await socket.read_close_code() == 4403


async def test_a_user_has_a_bounded_number_of_sockets(dial, viewer, monkeypatch):
    monkeypatch.setattr(consumers, "CONNECTIONS_PER_USER", 2)
    first = await dial(viewer, "overview")
    await dial(viewer, "overview")
    third = await dial(viewer, "overview")
    assert await third.read_close_code() == 4429
    await first.leave()
    assert consumers.CONNECTIONS[viewer.pk] == 1
    fourth = await dial(viewer, "overview")
    assert (await fourth.read())["seq"] == 1


async def test_a_quiet_line_says_that_it_is_alive(dial, viewer):
    socket = await dial(viewer, "overview")
    assert [(await socket.read())["seq"] for _count in range(3)] == [1, 2, 3]


async def test_a_page_hears_of_a_full_disk_and_of_its_end(dial, viewer, monkeypatch):
    states = iter(["", "full"])
    monkeypatch.setattr(guards, "name_storage_state", lambda: next(states, "full"))
    socket = await dial(viewer, "overview")
    assert (await socket.read_until("storage"))["storage"] == "full"
    monkeypatch.setattr(guards, "name_storage_state", lambda: "")
    async with asyncio.timeout(WAIT_SECONDS):
        while "storage" in await socket.read():
            continue


async def test_all_pages_of_a_round_are_checked_by_one_look_at_their_sessions(
    dial, viewer, corners, monkeypatch
):
    monkeypatch.setattr(Guard, "check_seconds", 3600)
    topic = f"client:{corners.vienna.client.id}"
    for _page in range(3):
        await (await dial(viewer, "overview", topic)).read()
    asked = []

    def judge(topics):
        with CaptureQueriesContext(connection) as queries:
            verdicts = judge_sessions(topics)
        asked.append((len(topics), len(queries)))
        return verdicts

    monkeypatch.setattr(guards, "judge_sessions", judge)
    for part in guards.split_sessions(consumers.GUARD._watchers):
        await consumers.GUARD._check(part)
    # Three queries for whoever they are, and one for the client of each session.
    assert asked == [(3, 6)]


async def test_a_check_that_cannot_be_made_closes_the_sockets(dial, viewer, monkeypatch):
    socket = await dial(viewer, "overview")
    await socket.read()

    def fail(_topics):
        raise OperationalError("away")

    monkeypatch.setattr(guards, "judge_sessions", fail)
    assert await socket.read_close_code() == 1011


async def test_a_socket_that_no_message_reaches_closes_so_that_its_page_polls(
    dial, viewer, monkeypatch
):
    async def swallow(_layer, _channel, _message):
        return

    monkeypatch.setattr(Echo, "silent_seconds", 0.2)
    monkeypatch.setattr("channels.layers.InMemoryChannelLayer.send", swallow)
    socket = await dial(viewer, "overview")
    assert await socket.read_close_code() == 1011


async def test_while_no_message_gets_through_a_new_socket_never_looks_live(
    dial, viewer, monkeypatch
):
    async def swallow(_layer, _channel, _message):
        return

    monkeypatch.setattr(echo, "PROVING_SECONDS", 0.3)
    monkeypatch.setattr("channels.layers.InMemoryChannelLayer.send", swallow)
    socket = await dial(viewer, "overview")
    event = await socket.line.receive_output(WAIT_SECONDS)
    assert (event["type"], event.get("code")) == ("websocket.close", 1011)


async def test_a_socket_stays_open_while_messages_come_back(dial, viewer, monkeypatch):
    monkeypatch.setattr(Echo, "silent_seconds", 1.0)
    socket = await dial(viewer, "overview")
    begin = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - begin < 2:
        assert "seq" in await socket.read()


@pytest.mark.parametrize("fault", [RedisError("away"), ConnectionRefusedError()])
async def test_without_redis_a_socket_closes_and_leaves_no_trace(dial, viewer, monkeypatch, fault):
    async def refuse(*_arguments):
        raise fault

    monkeypatch.setattr("channels.layers.InMemoryChannelLayer.group_add", refuse)
    socket = await dial(viewer, "overview")
    assert await socket.read_close_code() == 1011
    await socket.leave()
    assert consumers.CONNECTIONS == {}


async def test_a_socket_that_cannot_leave_its_groups_is_no_longer_counted(
    dial, viewer, monkeypatch
):
    async def refuse(*_arguments):
        raise RedisError("away")

    socket = await dial(viewer, "overview")
    await socket.read()
    monkeypatch.setattr("channels.layers.InMemoryChannelLayer.group_discard", refuse)
    await socket.leave()
    assert consumers.CONNECTIONS == {}
