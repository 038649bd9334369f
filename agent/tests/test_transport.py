import asyncio
import ssl

import pytest
from websockets.asyncio.server import serve
from websockets.http11 import Response

from agent.tests.answering_server import KEY, LostAnswer, Refusal, read_example
from streamswarm_agent.errors import AgentError, CallFailed, CallRefused
from streamswarm_agent.transport.backoff import Backoff
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import check_server_url, make_tls_context, open_http
from streamswarm_agent.transport.nudges import listen_for_nudges


def no_spread(low, high):
    return (low + high) / 2


async def test_a_call_carries_the_key_and_nothing_from_the_environment(server, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    answer = await client.heartbeat(read_example("heartbeat_request"))
    assert answer.heartbeat_seconds == 30
    _, _, headers = server.requests[0]
    assert headers["Authorization"] == f"Agent {KEY}"
    assert server.violations == []


async def test_a_new_configuration_comes_once_per_etag(client):
    answer = await client.fetch_config()
    assert answer.config.denied_networks == ("169.254.0.0/16", "fe80::/10")
    assert not answer.config.collectors["disk"].is_enabled
    assert await client.fetch_config(answer.etag) is None


async def test_a_refusal_says_code_sentence_and_when_to_come_back(server, client):
    server.misbehave("leases", Refusal(429, "too_many", {"Retry-After": "7"}))
    with pytest.raises(CallRefused, match="Not now") as caught:
        await client.lease(horizon_seconds=900)
    assert (caught.value.status, caught.value.code) == (429, "too_many")
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", ""])
async def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(server, client, value):
    server.misbehave("leases", Refusal(503, "busy", {"Retry-After": value}))
    with pytest.raises(CallRefused) as caught:
        await client.lease(horizon_seconds=900)
    assert caught.value.retry_after_seconds is None


async def test_a_lost_answer_is_a_failure_that_may_have_taken_effect(server, client):
    server.misbehave("heartbeat", LostAnswer())
    with pytest.raises(CallFailed, match="heartbeat"):
        await client.heartbeat(read_example("heartbeat_request"))
    assert len(server.bodies("heartbeat")) == 1


async def test_no_server_is_a_failure(unused_tcp_port):
    client = ServerClient(open_http(f"http://127.0.0.1:{unused_tcp_port}", make_tls("http://x")))
    with pytest.raises(CallFailed, match="leases"):
        await client.lease(horizon_seconds=900)


async def test_an_answer_that_is_not_understood_is_a_failure_not_a_crash(server, client):
    server.config = {"heartbeat_seconds": "often"}
    with pytest.raises(CallFailed, match="not understood"):
        await client.fetch_config()


async def test_an_answer_of_something_else_is_named(server):
    client = ServerClient(open_http(f"{server.url}/elsewhere", make_tls(server.url)), KEY)
    with pytest.raises(CallRefused, match="404") as caught:
        await client.lease(horizon_seconds=900)
    assert caught.value.code == "not_our_server"


def make_tls(url):
    return make_tls_context(url, None)


def test_a_plain_line_trusts_no_certificate_and_a_secure_one_the_systems():
    assert make_tls("http://x").cert_store_stats()["x509_ca"] == 0
    assert make_tls("https://x").verify_mode == ssl.CERT_REQUIRED


def test_a_file_without_certificates_is_refused_by_name(tmp_path):
    with pytest.raises(AgentError, match=r"ca-file: .*none\.pem"):
        make_tls_context("https://x", str(tmp_path / "none.pem"))


@pytest.mark.parametrize("url", ["swarm.example.org", "ftp://x", "https://", "http://x:port", ""])
def test_an_address_that_is_no_http_url_is_refused(url):
    with pytest.raises(AgentError, match="server"):
        check_server_url(url)


def test_an_address_loses_its_last_slash():
    assert check_server_url(" https://swarm.example.org/ ") == "https://swarm.example.org"


def test_waits_double_from_one_second_to_sixty_and_begin_again_after_a_success():
    backoff = Backoff(no_spread)
    failure = CallFailed("no answer")
    waits = [backoff.next_delay_seconds(failure) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_delay_seconds(failure) == 1


def test_waits_are_spread_by_half_and_never_undercut_what_the_server_asks():
    busy = CallRefused(503, "busy", "", retry_after_seconds=10)
    for _ in range(100):
        assert 0.5 <= Backoff().next_delay_seconds(CallFailed("")) <= 1.5
        assert 10 <= Backoff().next_delay_seconds(busy) <= 15


def test_a_refused_key_is_tried_again_every_minute():
    assert Backoff().next_delay_seconds(CallRefused(401, "key_revoked", "")) == 60


class Heard:
    """Collects nudges and lets a test wait for the next."""

    def __init__(self):
        self.words = asyncio.Queue()
        self.delays = asyncio.Queue()

    async def sleep(self, seconds):
        self.delays.put_nowait(seconds)
        await asyncio.sleep(0)

    def listen(self, url):
        return asyncio.create_task(
            listen_for_nudges(
                url,
                KEY,
                tls=make_tls(url),
                on_nudge=self.words.put_nowait,
                sleep=self.sleep,
            )
        )


async def test_nudges_are_heard_with_the_key_and_again_after_the_line_broke():
    seen = []

    async def nudge_and_close(connection):
        seen.append((connection.request.path, connection.request.headers["Authorization"]))
        await connection.send("no json")
        await connection.send('{"later": 1}')
        await connection.send('{"nudge": "leases"}')

    async with serve(nudge_and_close, "127.0.0.1", 0) as sockets:
        heard = Heard()
        port = sockets.sockets[0].getsockname()[1]
        listening = heard.listen(f"http://127.0.0.1:{port}")
        assert [await heard.words.get() for _ in range(3)] == ["leases"] * 3
        listening.cancel()
    assert seen[0] == ("/ws/agent/", f"Agent {KEY}")
    assert heard.delays.qsize() >= 2


async def test_a_refused_socket_is_tried_again_with_the_wait_for_a_refused_key():
    attempts = asyncio.Queue()

    def refuse(connection, request):
        attempts.put_nowait(request.path)
        return Response(401, "Unauthorized", connection.respond(401, "").headers)

    async def never(connection):
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=refuse) as sockets:
        heard = Heard()
        port = sockets.sockets[0].getsockname()[1]
        listening = heard.listen(f"http://127.0.0.1:{port}")
        await attempts.get()
        await attempts.get()
        listening.cancel()
    assert heard.delays.get_nowait() == 60


async def test_without_a_socket_the_waits_grow(unused_tcp_port):
    heard = Heard()
    listening = heard.listen(f"http://127.0.0.1:{unused_tcp_port}")
    delays = [await heard.delays.get() for _ in range(5)]
    listening.cancel()
    assert 8 <= delays[4] <= 24
