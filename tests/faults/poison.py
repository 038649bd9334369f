"""Records that cannot be stored, each with the code it is refused by, as text that may be no JSON.

A batch is written around them by hand, because most JSON writers would not write them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.factories import wire

MANY_NAMES = 100_000
LONG_TEXT_BYTES = 6_000_000
DEPTH = 10_000
MANY_HASH = "f" * 16
WRONG_HASH = "e" * 16
UNHEARD_HASH = "d" * 16
SPOILED = "77.125"


@dataclass(frozen=True, slots=True)
class Poison:
    """`data` is the JSON text of the record's data; `layouts` what it needs in its batch."""

    kind: str
    data: str
    code: str
    layouts: Mapping[str, Sequence[str]] = field(default_factory=dict)


def spoil_frame(code: str, value: str = "0.5", **options: Any) -> Poison:
    """A frame with this text as its first value; options change its data."""
    layouts = options.pop("layouts", {})
    record = wire.frame((float(SPOILED), 0.5), **options)
    return Poison("frame", json.dumps(record["data"]).replace(SPOILED, value), code, layouts)


def spoil_fact(code: str, value: str) -> Poison:
    text = json.dumps(wire.fact(value=SPOILED)["data"]).replace(SPOILED, value)
    return Poison("fact", text, code)


def spoil_result(code: str, member: str, value: str) -> Poison:
    record = wire.result(uuid4(), run=uuid4(), **{member: SPOILED})
    return Poison("result", json.dumps(record["data"]).replace(f'"{SPOILED}"', value), code)


def list_names(count: int) -> list[str]:
    return [f"system.cpu.utilization{{cpu={number}}}" for number in range(count)]


def build_poisons() -> dict[str, Poison]:
    """Every item of the fault matrix that one record can carry."""
    deep = "[" * DEPTH + "]" * DEPTH
    return {
        "NaN": spoil_frame("not_finite", "NaN"),
        "Infinity": spoil_frame("not_finite", "Infinity"),
        "negative Infinity": spoil_frame("not_finite", "-Infinity"),
        "1e400": spoil_frame("out_of_range", "1e400"),
        "-1e400": spoil_frame("out_of_range", "-1e400"),
        "a number of 5,000 digits": spoil_frame("out_of_range", "9" * 5_000),
        "text for a number": spoil_frame("malformed", '"1"'),
        "a sequence of 2^63": spoil_frame("out_of_range", seq=2**63),
        "a sequence below zero": spoil_frame("out_of_range", seq=-1),
        "100,000 values": spoil_frame("too_long", ",".join(["1"] * MANY_NAMES)),
        "100,000 metric names": spoil_frame(
            "layout_length", layout=MANY_HASH, layouts={MANY_HASH: list_names(MANY_NAMES)}
        ),
        "a metric in the wrong unit": spoil_frame(
            "unknown_metric",
            layout=WRONG_HASH,
            layouts={WRONG_HASH: ["net.rtt.median_ms", "net.packet.loss.ratio"]},
        ),
        "a layout nobody sent": spoil_frame("unknown_layout", layout=UNHEARD_HASH),
        "NUL in a source": spoil_frame("bad_text", source=("interface", "eth\x00")),
        "NUL in a fact": spoil_fact("bad_text", "a\\u0000b"),
        "a raw NUL": spoil_fact("bad_text", "a\x00b"),
        "half of a surrogate pair": spoil_fact("bad_text", "a\\ud800b"),
        "6 MB of text": spoil_fact("too_long", "x" * LONG_TEXT_BYTES),
        "deep JSON": spoil_result("too_deep", "document", f'{{"a": {deep}}}'),
        "100,000 results at once": spoil_result(
            "too_long", "values", json.dumps(dict.fromkeys(list_names(MANY_NAMES), 1))
        ),
        "NaN in a result": spoil_result("not_finite", "values", '{"net.rtt.median": NaN}'),
        "a result in the wrong unit": spoil_result(
            "unknown_metric", "values", '{"net.rtt.median_ms": 10}'
        ),
    }


def write_batch(
    items: Sequence[tuple[str, dict[str, Any] | Poison]],
) -> bytes:
    """A batch of good records and poisons, each under the id it is given with."""
    layouts: dict[str, Sequence[str]] = {**wire.layout(wire.CPU_KEYS)}
    parts = []
    for name, item in items:
        if isinstance(item, Poison):
            layouts |= item.layouts
            head = json.dumps({**wire.record(item.kind, None, id=name)})
            parts.append(head.replace('"data": null', f'"data": {item.data}'))
        else:
            parts.append(json.dumps({**item, "id": name}))
    head = json.dumps({"batch": str(uuid4()), "layouts": layouts})
    return f'{head[:-1]}, "records": [{", ".join(parts)}]}}'.encode()
