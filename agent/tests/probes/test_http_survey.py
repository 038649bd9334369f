"""What an `http` run tries once: kept connections, revalidation, caches, the origin."""

import asyncio
import json

import pytest

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.http import HttpProbe

ONCE = {"duration_seconds": 0.2, "sample_interval_seconds": 0.2, "interval_seconds": 0.5}
PAUSE_SECONDS = 0.1


class Site:
    """A web server that keeps connections, knows validators and plays a cache in front of itself.

    The first request on a connection waits, and so does each that its cache does not hold.
    """

    def __init__(self, **traits):
        self.heads = []
        self.connection_count = 0
        self.traits = {"is_kept": True, "headers": {}, "etag": "", "pause_seconds": 0.0} | traits
        self.body = self.traits.get("body", b"hello")

    async def serve(self, reader, writer):
        self.connection_count += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                writer.write(await self.answer(head))
                await writer.drain()
                if not self.traits["is_kept"]:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def answer(self, head):
        if "streamswarm=" in head or self.traits["pause_seconds"]:
            await asyncio.sleep(self.traits["pause_seconds"] or PAUSE_SECONDS)
        headers = dict(self.traits["headers"])
        status, body = "200 OK", self.body
        etag = self.traits["etag"]
        if etag:
            headers["ETag"] = etag
            if f"if-none-match: {etag}" in head.lower():
                status, body = "304 Not Modified", b""
        if status != "304 Not Modified":
            headers["Content-Length"] = len(body)
        if not self.traits["is_kept"]:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@pytest.fixture
async def survey(clock, make_resolver, request_for, measure, web_server):
    async def run(site, resolver=None, **parameters):
        port = await web_server(site.serve)

        async def find_name(host):
            return "d111.cloudfront.net" if host == "site.example" else host

        resolver = resolver or make_resolver({"site.example": "127.0.0.1"})
        probe = HttpProbe(clock, resolver, find_name=find_name)
        request = request_for("http", f"http://site.example:{port}/a?b=c", **(ONCE | parameters))
        return (await measure(probe, request)).outcome

    return run


async def test_a_kept_connection_saves_time(survey):
    site = Site()
    found = await survey(site)
    assert found.is_success
    assert found.values["http.connection.reuse_gain"] > -1
    assert site.connection_count == 2
    assert len(site.heads) == 3


async def test_a_server_that_closes_has_nothing_to_reuse(survey):
    found = await survey(Site(is_kept=False))
    assert found.absent["http.connection.reuse_gain"] == "N"


@pytest.mark.parametrize(("etag", "is_spared"), [('"v1"', 1), ("", None)])
async def test_an_unchanged_answer_may_be_spared(survey, etag, is_spared):
    site = Site(etag=etag)
    found = await survey(site)
    if is_spared:
        assert found.values["http.cache.revalidation"] == is_spared
        assert f"if-none-match: {etag}" in site.heads[-1].lower()
    else:
        assert found.absent["http.cache.revalidation"] == "N"


async def test_a_cache_is_judged_by_a_request_that_it_cannot_know(survey):
    site = Site(headers={"X-Cache": "HIT", "Age": "12", "Cache-Control": "max-age=60"})
    found = await survey(site)
    assert found.values["http.cache.effectiveness"] > 0
    assert found.values["http.cache.age"] == 12
    assert found.values["http.cache.max_age"] == 60
    assert found.facts["http.cache.status"] == "hit"
    (busted,) = [head for head in site.heads if "streamswarm=" in head]
    assert busted.startswith("GET /a?b=c&streamswarm=")
    assert "cache-control: no-cache" in busted.lower()


async def test_without_a_cache_none_is_judged(survey):
    site = Site()
    found = await survey(site)
    assert found.absent["http.cache.effectiveness"] == "N"
    assert found.absent["http.cache.age"] == "N"
    assert not any("streamswarm=" in head for head in site.heads)
    assert "http.cache.status" not in found.facts


async def test_the_delivery_network_is_told_by_the_alias_of_the_name(survey):
    assert (await survey(Site())).facts["http.cdn.provider"] == "Amazon CloudFront"


async def test_the_origin_is_compared_with_the_edge(survey, web_server):
    origin = Site(pause_seconds=0.3)
    port = await web_server(origin.serve)
    found = await survey(Site(), origin_url=f"http://127.0.0.1:{port}/")
    assert found.values["http.cdn.gain"] > 0
    assert len(origin.heads) == 1
    assert (await survey(Site())).absent["http.cdn.gain"] == "N"


async def test_policy_holds_for_the_origin_as_well(survey, make_resolver):
    resolver = make_resolver({"site.example": "127.0.0.1"}, frozenset({"kept.example"}))
    found = await survey(Site(), resolver=resolver, origin_url="http://kept.example/")
    assert found.is_success
    assert found.absent["http.cdn.gain"] == "T"
    with pytest.raises(ProbeFailed, match=r"^origin_url: "):
        await survey(Site(), origin_url="file:///etc/passwd")


async def test_steps_that_the_server_names_are_values_of_their_own(survey):
    found = await survey(Site(headers={"Server-Timing": "db;dur=12.5, app;dur=40"}))
    assert found.values["http.server_timing.duration{step=db}"] == 0.0125
    assert found.values["http.server_timing.duration{step=app}"] == 0.04


async def test_nothing_is_tried_where_the_test_does_not_want_it(survey):
    site = Site(etag='"v1"', headers={"X-Cache": "HIT"})
    found = await survey(site, is_cache_measured=False)
    assert len(site.heads) == 1
    for name in ("connection.reuse_gain", "cache.effectiveness", "cache.revalidation"):
        assert found.absent[f"http.{name}"] == "N"
    assert found.facts["http.cache.status"] == "hit"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"json_path": "state", "json_value": "up"}, ""),
        ({"json_path": "state", "json_value": "down"}, "state is up (1)"),
        ({"body_matches": '"state": "u.'}, ""),
        ({"body_matches": "^nothing$"}, "the pattern is not in the body (1)"),
    ],
)
async def test_a_body_is_judged_by_pattern_and_path(survey, parameters, reason):
    site = Site(body=json.dumps({"state": "up"}).encode())
    found = await survey(site, is_cache_measured=False, **parameters)
    assert found.is_success is not bool(reason)
    assert found.reason == reason
    assert found.values["http.content.match"] == float(not reason)


async def test_bodies_and_times_are_told_for_the_server_to_compare(survey):
    found = await survey(Site(), is_cache_measured=False, apdex_seconds=60)
    assert found.document["apdex"] == {
        "limit_seconds": 60.0, "satisfied": 1, "tolerating": 0, "all": 1,
    }  # fmt: skip
    assert len(found.document["body_sha256"]) == 64
    slow = await survey(Site(pause_seconds=0.1), is_cache_measured=False, apdex_seconds=0.01)
    assert slow.document["apdex"]["satisfied"] == slow.document["apdex"]["tolerating"] == 0
