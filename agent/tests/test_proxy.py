"""The proxy stands between agent and server for every call and for the socket."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from streamswarm_agent.errors import AgentError
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http
from streamswarm_agent.transport.nudges import listen_for_nudges

SERVER = "http://swarm.example.org"


@asynccontextmanager
async def run_proxy():
    """A proxy that only notes what it is asked for, and its address."""
    asked = asyncio.Queue()

    async def answer(reader, writer):
        asked.put_nowait((await reader.readline()).decode().strip())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked


async def test_calls_go_through_the_proxy():
    async with run_proxy() as (proxy, asked):
        http = open_http(SERVER, make_tls_context(SERVER, None), proxy=proxy)
        client = ServerClient(http, "key")
        with pytest.raises(AgentError):
            await client.fetch_config()
        await client.close()
        assert await asked.get() == f"GET {SERVER}/api/v1/agent/config HTTP/1.1"


async def test_the_socket_goes_through_the_proxy():
    async with run_proxy() as (proxy, asked):
        tls = make_tls_context(SERVER, None)
        listening = asyncio.create_task(
            listen_for_nudges(SERVER, "key", tls=tls, on_nudge=lambda _word: None, proxy=proxy)
        )
        assert await asked.get() == "CONNECT swarm.example.org:80 HTTP/1.1"
        listening.cancel()


async def test_the_environments_proxy_is_not_obeyed(monkeypatch):
    async with run_proxy() as (proxy, asked), run_proxy() as (server, asked_directly):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        client = ServerClient(open_http(server, make_tls_context(server, None)), "key")
        with pytest.raises(AgentError):
            await client.fetch_config()
        await client.close()
        assert await asked_directly.get() == "GET /api/v1/agent/config HTTP/1.1"
        assert asked.empty()
