"""Records: what the agent says, built so that their text never changes after measuring."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.wire.layouts import MAXIMUM_KEYS, Layout, build_layout

SEQUENCE_BITS = 40


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `payload` is the JSON text of its `data`, `layout` belongs to a frame."""

    kind: str
    at: str
    payload: str
    layout: Layout | None = None


@dataclass(frozen=True, slots=True)
class SpooledRecord:
    """A record that waits, under its number; `layout` is the hash of a frame's layout."""

    id: int
    kind: str
    at: str
    layout: str | None
    payload: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    kind: str
    subject: str


def make_sequence(boot_counter: int, counter: int) -> int:
    """The frame's `seq`: rising within a boot and from boot to boot."""
    return (boot_counter << SEQUENCE_BITS) + counter


def split_measurements(
    values: Mapping[str, float], absent: Mapping[str, str]
) -> Iterator[tuple[Layout, list[float | None], dict[str, str]]]:
    """Layout, values and reason codes of as many frames as the keys need (256 keys each).

    A value that is no finite number, which JSON cannot carry, is absent as U.
    """
    finite = {key: value for key, value in values.items() if math.isfinite(value)}
    reasons = {key: "U" for key in values if key not in finite} | dict(absent)
    keys = sorted(values.keys() | absent.keys())
    for start in range(0, len(keys), MAXIMUM_KEYS):
        layout = build_layout(keys[start : start + MAXIMUM_KEYS])
        codes = {key: reasons[key] for key in layout.keys if key in reasons}
        yield layout, [None if key in codes else finite[key] for key in layout.keys], codes


def build_frame(
    source: Source,
    *,
    at: str,
    sequence: int,
    measurement: tuple[Layout, list[float | None], dict[str, str]],
    run_id: str | None = None,
) -> Record:
    """A frame record of one source at one moment."""
    layout, values, absent = measurement
    payload: dict[str, Any] = {
        "source": {"kind": source.kind, "subject": source.subject},
        "seq": sequence,
        "layout": layout.hash,
        "values": values,
        "absent": absent,
    }
    if run_id is not None:
        payload["run"] = run_id
    return Record("frame", at, encode_json(payload), layout)


def build_fact(source: Source, *, at: str, key: str, value: str) -> Record:
    """A fact record: a text that holds for a source since `at`."""
    document = {"source": {"kind": source.kind, "subject": source.subject}}
    return Record("fact", at, encode_json(document | {"key": key, "value": value[:1024]}))


def build_document(source: Source, *, at: str, body: Mapping[str, Any]) -> Record:
    """A record with a document; its kind is that of its source."""
    document = {"source": {"kind": source.kind, "subject": source.subject}, "document": body}
    return Record(source.kind, at, encode_json(document))


def encode_json(document: Any) -> str:
    """Compact JSON text. Raises: ValueError when it holds NaN or an infinity."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def hash_inventory(inventory: Mapping[str, Any]) -> str:
    """The first 16 hex digits of the SHA-256 of the canonical JSON: sorted keys, no spaces."""
    text = json.dumps(inventory, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
