import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.http_headers import (
    CacheNote,
    find_provider,
    read_cache,
    read_server_timing,
)


@pytest.mark.parametrize(
    ("headers", "note"),
    [
        ({}, CacheNote("", None, None)),
        ({"cache-status": "Origin; fwd=miss, Edge; hit; ttl=30"}, CacheNote("hit", None, None)),
        ({"cache-status": "Edge; fwd=uri-miss"}, CacheNote("miss", None, None)),
        ({"x-cache": "MISS, HIT", "age": "7"}, CacheNote("hit", 7, None)),
        ({"x-cache": "Miss from cloudfront"}, CacheNote("miss", None, None)),
        ({"cf-cache-status": "DYNAMIC"}, CacheNote("dynamic", None, None)),
        ({"age": "30"}, CacheNote("hit", 30, None)),
        ({"age": "0"}, CacheNote("", 0, None)),
        ({"age": "soon"}, CacheNote("", None, None)),
        ({"cache-control": "public, max-age=60, s-maxage=600"}, CacheNote("", None, 600)),
        ({"cache-control": 'max-age="60"'}, CacheNote("", None, 60)),
        ({"cache-control": "no-store, max-age=60"}, CacheNote("", None, 0)),
        ({"cache-control": "private"}, CacheNote("", None, None)),
    ],
)
def test_the_nearest_cache_has_the_word(headers, note):
    assert read_cache(headers) == note


@pytest.mark.parametrize(
    ("headers", "name", "provider"),
    [
        ({"cf-ray": "1"}, "", "Cloudflare"),
        ({"server": "AkamaiGHost"}, "", "Akamai"),
        ({"x-served-by": "cache-fra-1"}, "", "Fastly"),
        ({"server": "nginx"}, "d1.cloudfront.net.", "Amazon CloudFront"),
        ({"server": "nginx"}, "notcloudfront.net", ""),
        ({"server": "nginx"}, "site.example", ""),
    ],
)
def test_a_delivery_network_is_known_by_its_heads_or_its_alias(headers, name, provider):
    assert find_provider(headers, name) == provider


def test_steps_of_the_server_come_with_their_seconds():
    text = 'db;dur=53.2, cache;desc="Cache read";dur=23, miss, Total;dur="120"'
    steps = {"db": 0.0532, "cache": 0.023, "total": 0.12}
    assert read_server_timing(text) == pytest.approx(steps)


def test_steps_are_bounded_in_number_and_letters():
    text = ",".join(f"s{number};dur=1" for number in range(99))
    assert len(read_server_timing(text)) == 10
    assert read_server_timing("a}b;dur=1, x=y;dur=1, ok;dur=1e9, ok;dur=-1") == {}


@given(
    st.dictionaries(st.sampled_from(["age", "cache-control", "cache-status", "x-cache"]), st.text())
)
def test_no_head_breaks_the_reader(headers):
    note = read_cache(headers)
    assert len(note.status) <= 40
    assert note.age_seconds is None or note.age_seconds >= 0


@given(st.text())
def test_no_timing_breaks_the_reader(text):
    assert all(seconds >= 0 for seconds in read_server_timing(text).values())
