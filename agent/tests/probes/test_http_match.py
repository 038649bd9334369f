import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamswarm_agent.errors import ProbeFailed
from streamswarm_agent.probes.http_match import (
    MAX_JUDGED_BYTES,
    Wish,
    find_json_mismatch,
    find_mismatch,
    parse_path,
    read_wish,
)

BODY = json.dumps({"checks": [{"state": "up", "count": 3}], "ok": True}).encode()


@pytest.mark.parametrize(
    ("path", "value", "mismatch"),
    [
        ("checks[0].state", "up", ""),
        ("checks[0].state", "", ""),
        ("checks[0].count", "3", ""),
        ("ok", "true", ""),
        ("checks[0].state", "down", "checks[0].state is up"),
        ("checks[1].state", "up", "the body has no checks[1].state"),
        ("checks.state", "up", "the body has no checks.state"),
        ("ok.deeper", "", "the body has no ok.deeper"),
    ],
)
async def test_a_value_in_json_is_found_by_its_path(path, value, mismatch):
    wish = Wish(json_path=path, json_value=value)
    assert await find_mismatch(BODY, wish, is_whole=True) == mismatch


async def test_a_body_that_is_no_json_or_too_long_is_a_mismatch():
    wish = Wish(json_path="ok")
    assert await find_mismatch(b"<html>", wish, is_whole=True) == "the body is no JSON"
    assert await find_mismatch(b"[" * 100_000, wish, is_whole=True) == "the body is no JSON"
    for content, is_whole in ((BODY, False), (bytes(MAX_JUDGED_BYTES + 1), True)):
        assert "longer" in await find_mismatch(content, wish, is_whole=is_whole)


@pytest.mark.parametrize(
    ("pattern", "mismatch"),
    [
        (r"version \d+\.\d+", ""),
        ("^missing$", "the pattern is not in the body"),
        ("gr(ü|u)n", ""),
    ],
)
async def test_a_pattern_is_searched_in_the_text(pattern, mismatch):
    found = await find_mismatch("version 1.12 grün".encode(), Wish(pattern), is_whole=True)
    assert found == mismatch


async def test_a_pattern_without_end_is_given_up():
    content = b"a" * 40 + b"!"
    found = await find_mismatch(content, Wish(r"^(a+)+$"), is_whole=True)
    assert found == "the pattern was not judged within 2 s"


@pytest.mark.parametrize(
    ("field", "text"),
    [("body_matches", "("), ("json_path", "a..b"), ("json_path", "a[x]"), ("json_path", "$.a")],
)
def test_wishes_that_cannot_be_understood_are_refused_by_field(field, text):
    parameters = {"body_matches": "", "json_path": "", "json_value": "", field: text}
    with pytest.raises(ProbeFailed, match=f"^{field}: "):
        read_wish(parameters)


@given(
    st.lists(st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), st.integers(0, 99)))
)
def test_a_path_is_read_as_it_was_written(steps):
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    assert parse_path(text) == steps


@given(st.binary(max_size=200))
def test_no_body_breaks_the_search(content):
    assert isinstance(find_json_mismatch(content, Wish(json_path="a[0].b")), str)


@pytest.mark.parametrize(
    ("pattern", "content", "mismatch"),
    [
        ("a\0b", b"xa\0b", ""),
        ("a\0b", b"ab", "the pattern is not in the body"),
        ("^line$\n^", b"line\nnext", "the pattern is not in the body"),
        ("(?m)^line$\n^next", b"line\nnext", ""),
        ("\N{GRINNING FACE}", "\N{GRINNING FACE}".encode(), ""),
        ("\\ud800", b"\xed\xa0\x80", "the pattern is not in the body"),
    ],
)
async def test_any_character_may_stand_in_a_pattern(pattern, content, mismatch):
    assert await find_mismatch(content, Wish(pattern=pattern), is_whole=True) == mismatch


@pytest.mark.parametrize("field", ["body_contains", "body_matches", "json_value"])
def test_half_a_surrogate_pair_is_refused_by_the_name_of_its_field(field):
    parameters = dict.fromkeys(("body_contains", "body_matches", "json_path", "json_value"), "")
    with pytest.raises(ProbeFailed, match=f"^{field}: half a surrogate pair"):
        read_wish(parameters | {field: "a\ud800"})


async def test_a_value_that_cannot_be_shown_is_told_in_escapes():
    body = b'{"name": "a\\u0000b\\ud800\\nc"}'
    wish = Wish(json_path="name", json_value="x")
    mismatch = await find_mismatch(body, wish, is_whole=True)
    assert mismatch == "name is a\\x00b\\ud800\\nc"
