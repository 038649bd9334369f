import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.probes.http_body import Body, BodyReader


async def pieces_of(content, size):
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(content, *, encoding="", max_bytes=1 << 20, wanted="", size=1000):
    return await BodyReader(encoding, max_bytes, wanted).read(pieces_of(content, size))


async def test_a_plain_body_is_counted_alike_on_the_wire_and_decoded():
    assert await read(b"x" * 2500) == Body(2500, 2500, is_match=True, is_whole=True)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_packed_body_is_counted_packed_and_unpacked(encoding, pack):
    packed = pack(b"abc" * 50_000)
    body = await read(packed, encoding=encoding)
    assert body == Body(len(packed), 150_000, is_match=True, is_whole=True)


async def test_a_small_body_that_unpacks_to_much_is_cut_at_the_limit():
    bomb = gzip.compress(bytes(50_000_000), compresslevel=1)
    body = await read(bomb, encoding="gzip", max_bytes=1_000_000, size=1 << 16)
    assert body.decoded_bytes == 1_000_000
    assert body.wire_bytes <= 1_000_000
    assert not body.is_whole


async def test_an_endless_body_is_left_at_the_limit():
    taken = []

    async def endless():
        while True:
            taken.append(1)
            yield b"x" * 1000

    body = await BodyReader("", 10_500, "").read(endless())
    assert body == Body(10_500, 10_500, is_match=True, is_whole=False)
    assert len(taken) == 11


async def test_the_text_is_found_across_the_edge_of_two_pieces():
    assert (await read(b"xxxneed" + b"lexxx", wanted="needle", size=7)).is_match
    assert (await read("grün".encode(), wanted="ü", size=1)).is_match
    assert not (await read(b"needl", wanted="needle")).is_match


async def test_text_behind_the_limit_is_not_found():
    assert not (await read(b"x" * 100 + b"needle", wanted="needle", max_bytes=103)).is_match


async def test_a_damaged_packed_body_is_an_error():
    with pytest.raises(zlib.error):
        await read(b"this is no gzip", encoding="gzip")


@given(st.binary(max_size=300), st.integers(1, 50), st.text(min_size=1, max_size=4))
async def test_searching_in_pieces_finds_what_searching_at_once_finds(content, size, wanted):
    body = await read(content, wanted=wanted, size=size)
    assert body.is_match == (wanted.encode() in content)
