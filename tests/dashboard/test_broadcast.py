"""One subscription of the process for all who watch the same."""

import asyncio

import pytest
from channels.layers import get_channel_layer

from apps.dashboard.broadcast import Broadcast

WAIT_SECONDS = 10


@pytest.fixture(autouse=True)
def layer_in_memory(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


class Ear:
    def __init__(self):
        self.heard = []

    def live_message(self, message):
        self.heard.append(message["hint"])


async def until(condition):
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - the layer sets no event
            await asyncio.sleep(0)


async def say(hint):
    await get_channel_layer().group_send("live.overview", {"type": "live.message", "hint": hint})


async def test_all_listeners_of_a_group_hear_in_order_through_one_channel():
    broadcast, ears = Broadcast(), [Ear(), Ear(), Ear()]
    await asyncio.gather(*(broadcast.join("live.overview", ear) for ear in ears))
    assert len(get_channel_layer().groups["live.overview"]) == 1
    for hint in ("a", "b"):
        await say(hint)
    await until(lambda: [ear.heard for ear in ears] == [["a", "b"]] * 3)
    for ear in ears:
        broadcast.leave("live.overview", ear)
    await until(lambda: "live.overview" not in get_channel_layer().groups)


async def test_who_left_hears_nothing_more_and_the_others_do():
    broadcast, stays, leaves = Broadcast(), Ear(), Ear()
    for ear in (stays, leaves):
        await broadcast.join("live.overview", ear)
    broadcast.leave("live.overview", leaves)
    await say("a")
    await until(lambda: stays.heard == ["a"])
    assert leaves.heard == []
    broadcast.leave("live.overview", stays)
    await until(lambda: "live.overview" not in get_channel_layer().groups)


async def test_who_joins_while_the_last_one_leaves_is_not_forgotten():
    broadcast, first, second = Broadcast(), Ear(), Ear()
    await broadcast.join("live.overview", first)
    broadcast.leave("live.overview", first)
    await broadcast.join("live.overview", second)
    await say("a")
    await until(lambda: second.heard == ["a"])
    assert first.heard == []
    broadcast.leave("live.overview", second)
    await until(lambda: "live.overview" not in get_channel_layer().groups)


async def test_a_layer_that_refuses_leaves_nothing_behind(monkeypatch):
    async def refuse(*_arguments):
        raise ConnectionRefusedError

    broadcast, ear = Broadcast(), Ear()
    with monkeypatch.context() as patch:
        patch.setattr("channels.layers.InMemoryChannelLayer.group_add", refuse)
        with pytest.raises(ConnectionRefusedError):
            await broadcast.join("live.overview", ear)
    await broadcast.join("live.overview", ear)
    await say("a")
    await until(lambda: ear.heard == ["a"])
