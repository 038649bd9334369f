import asyncio
import json
from dataclasses import dataclass

import pytest

from agent.tests.answering_server import KEY, AnsweringServer
from agent.tests.steered_clock import SteeredClock
from streamswarm_agent.runtime.clock import ServerTime
from streamswarm_agent.runtime.egress import PolicyResolver
from streamswarm_agent.runtime.recorder import Recorder
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.runtime.spool_thread import SpoolThread
from streamswarm_agent.runtime.uploader import Uploader
from streamswarm_agent.spool.spool import Spool
from streamswarm_agent.spool.state import StateDirectory
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http


@pytest.fixture
def server():
    answering = AnsweringServer()
    yield answering
    answering.close()


@pytest.fixture
def clock():
    return SteeredClock()


@dataclass
class Kept:
    """A recorder on a real spool, and what it has written."""

    state: StateDirectory
    clock: SteeredClock
    server_time: ServerTime
    spool: Spool
    thread: SpoolThread
    recorder: Recorder
    urgent: asyncio.Event

    def payloads(self, kind):
        return [json.loads(item.payload) for item in self.spool.list_all() if item.kind == kind]


@pytest.fixture
async def kept(tmp_path, clock):
    state = StateDirectory(tmp_path / "state")
    state.create()
    spool = Spool(state.spool_path)
    thread = SpoolThread(on_damage=lambda: None)
    server_time = ServerTime(clock)
    urgent = asyncio.Event()
    recorder = Recorder(spool, thread, server_time, boot_counter=3, on_urgent=urgent.set)
    yield Kept(state, clock, server_time, spool, thread, recorder, urgent)
    thread.close()
    spool.close()


@pytest.fixture
def settings(kept):
    return Settings(kept.state, PolicyResolver())


@pytest.fixture
async def client(server):
    opened = ServerClient(open_http(server.url, make_tls_context(server.url, None)), KEY)
    yield opened
    await opened.close()


@pytest.fixture
def uploader(kept, client, settings):
    return Uploader(
        kept.spool, kept.thread, client, settings=settings, clock=kept.clock, wake=kept.urgent
    )
