"""What an attacker, a broken agent or bad luck may send: strategies and a writer for them."""

import json
import re
from copy import deepcopy
from urllib.parse import quote

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

DEPTH = 5_000
SHORT_EXAMPLES = 100
# What the json module would not write; a value `@name@` stands for it.
RAW_JSON = {
    "overflow": b"1e400",
    "negative_overflow": b"-1e400",
    "minus_zero": b"-0",
    "many_digits": b"9" * 5_000,
    "some_digits": b"9" * 400,
    "underflow": b"1e-400",
    "deep_list": b"[" * DEPTH + b"]" * DEPTH,
    "deep_object": b'{"a":' * DEPTH + b"null" + b"}" * DEPTH,
    "rather_deep": b"[" * 60 + b"]" * 60,
    "nearly_too_deep": b'{"a":' * 900 + b"null" + b"}" * 900,
    "deep_brackets_in_text": b'"' + b"[{" * DEPTH + b'"',
    "bad_utf8": b'"\xff\xc0\x80"',
    "control_character": b'"a\x01b"',
    "repeated_key": b'{"a":1,"a":2}',
}
MARKER_PATTERN = re.compile(rf'"@({"|".join(RAW_JSON)})@"'.encode())

TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff tail", "\u202efdp.exe", "\u2066isolate",
    "a\n[ERROR] root logged in", "a\r\nSet-Cookie: x=1", "\x1b[31mred", "'; DROP TABLE x;--",
    "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s%n", "../../etc/passwd", "=cmd|' /C calc'!A0",
    "e\u0301" * 40, "\U0001f4a5", "\ufeff", "x" * 300, "x" * 5_000, "null", "NaN", "-1", "1e400",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z",
    "2026-01-31T12:00:60Z", "00000000-0000-0000-0000-000000000000", "host", "assignment",
)  # fmt: skip
NUMBERS = (
    0, -0.0, -1, 1, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
    2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30,
)  # fmt: skip

any_text = st.text(st.characters(exclude_categories=()), max_size=30)
texts = st.sampled_from(TEXTS) | any_text
scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
markers = st.sampled_from([f"@{name}@" for name in RAW_JSON])
values = scalars | markers | trees
LEFT_OUT = object()


def write_json(tree):
    """The tree as bytes, its markers replaced by what the json module would not write."""
    return MARKER_PATTERN.sub(lambda match: RAW_JSON[match[1].decode()], json.dumps(tree).encode())


def list_places(tree, path=()):
    """The path of each node of the tree, the root's first."""
    yield path
    if isinstance(tree, dict):
        for name, child in tree.items():
            yield from list_places(child, (*path, name))
    elif isinstance(tree, list):
        for index, child in enumerate(tree):
            yield from list_places(child, (*path, index))


def put(tree, path, value):
    """The tree with another value at the path."""
    if not path:
        return value
    holder = tree
    for name in path[:-1]:
        holder = holder[name]
    if value is LEFT_OUT:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return tree


@st.composite
def mutations(draw, documents, *, keeps_root=False):
    """One of the documents with one to three of its nodes replaced, removed or added."""
    tree = deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(list_places(tree))[1 if keeps_root else 0 :]
        if not places:
            break
        path = draw(st.sampled_from(places))
        is_named = bool(path) and isinstance(path[-1], str)
        if is_named and draw(st.booleans()):
            tree = put(tree, (*path[:-1], draw(texts)), draw(values))
        else:
            tree = put(tree, path, draw(values | st.just(LEFT_OUT) if path else values))
    return tree


def write_query(pairs):
    """A query string of any text, lone surrogates included."""
    return "&".join(
        f"{quote(name, errors='surrogatepass')}={quote(str(value), errors='surrogatepass')}"
        for name, value in pairs
    )


def is_long():
    """Whether the profile wants more than the short form."""
    return hypothesis_settings().max_examples > SHORT_EXAMPLES


def scale_examples(share):
    """The profile's number of examples, times a share for what is slow or has many cases."""
    return max(3, round(hypothesis_settings().max_examples * share))
