import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.reports.algorithms.pictures import LARGEST_SIDE_PIXELS, check_picture
from tests.factories.pictures import make_picture

NO_PICTURE = "must be a whole PNG or JPEG picture"
LARGE = LARGEST_SIDE_PIXELS + 1


def claim_size(width, height):
    """A PNG of a few bytes that says it is that large."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_png_or_jpeg_picture_is_taken(format):
    assert check_picture(make_picture(format=format)) == ""


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "WEBP"])
def test_another_kind_of_picture_is_refused(format):
    assert check_picture(make_picture(format=format)) == NO_PICTURE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        make_picture()[:60],
        make_picture(600, 200, format="JPEG")[:700],
        b"%PDF-1.7",
    ],
)
def test_what_cannot_be_drawn_whole_is_refused(content):
    assert check_picture(content) == NO_PICTURE


@pytest.mark.parametrize("size", [(LARGE, 1), (1, LARGE), (60_000, 60_000)])
def test_a_small_file_of_a_large_picture_is_refused_before_it_is_unpacked(size):
    assert "at most 2000 by 2000 pixels" in check_picture(claim_size(*size))


def test_a_picture_as_large_as_may_be_is_taken():
    assert check_picture(make_picture(LARGEST_SIDE_PIXELS, LARGEST_SIDE_PIXELS)) == ""


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG"]), st.integers(0, 400))
def test_whatever_is_handed_in_is_answered_in_words(noise, format, place):
    picture = make_picture(format=format)
    assert isinstance(check_picture(picture[:place] + noise + picture[place + len(noise) :]), str)
