"""From bytes to checked records: bounded, and one bad record never harms its neighbours."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from apps.core.crash import pass_point
from apps.core.errors import FieldError, Invalid, TooLarge
from apps.ingest.checks import RecordRefused, echo_id, shorten, too_deep
from apps.ingest.structures import DATA_DECODERS, DATA_TYPES, Moment, Text64

WIRE_LIMIT_BYTES = 1_000_000
PLAIN_LIMIT_BYTES = 8_000_000
RECORDS_LIMIT = 5_000
LONGEST_INTEGER = 400
GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Envelope(msgspec.Struct, frozen=True):
    id: Text64
    kind: Annotated[str, Meta(max_length=32)]
    at: Moment
    data: msgspec.Raw


class LooseEnvelope(msgspec.Struct, frozen=True):
    """An envelope of a batch that only the tolerant parser could read."""

    id: Text64
    kind: Annotated[str, Meta(max_length=32)]
    at: Moment
    data: dict[str, Any]


class Batch(msgspec.Struct, frozen=True):
    batch: UUID
    layouts: Annotated[dict[str, list[str]], Meta(max_length=256)]
    records: Annotated[list[msgspec.Raw], Meta(max_length=RECORDS_LIMIT)]


class LooseBatch(msgspec.Struct, frozen=True):
    batch: UUID
    layouts: Annotated[dict[str, list[str]], Meta(max_length=256)]
    records: Annotated[list[Any], Meta(max_length=RECORDS_LIMIT)]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one record was refused; `field` says where, `detail` names the limit."""

    id: str
    code: str
    field: str
    detail: str
    sample: Any = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose envelope is right; `data` is bytes or an object, still to be checked."""

    id: str
    kind: str
    at: datetime
    data: msgspec.Raw | dict[str, Any]


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    batch: UUID
    layouts: Mapping[str, list[str]]
    records: list[Record]
    rejected: list[Rejection]


BATCH_DECODER = msgspec.json.Decoder(Batch)
ENVELOPE_DECODER = msgspec.json.Decoder(Envelope)


def read_request(stream: Any, headers: Mapping[str, str]) -> bytes:
    """The plain body of a request whose headers are named as in WSGI; raises as `read_body`."""
    return read_body(
        stream,
        length=read_length(headers.get("CONTENT_LENGTH", "")),
        is_gzip=headers.get("HTTP_CONTENT_ENCODING", "").lower() == "gzip",
    )


def read_length(text: str) -> int | None:
    """The length that a header claims; None for what is no number."""
    try:
        return int(text)
    except ValueError:
        return None


def read_body(stream: Any, *, length: int | None, is_gzip: bool) -> bytes:
    """The plain body, never more than the limits in memory.

    Raises: TooLarge above 1 MB on the wire or 8 MB plain, Invalid for broken gzip.
    """
    if length is not None and length > WIRE_LIMIT_BYTES:
        raise too_large(f"{length} bytes on the wire exceed the limit of {WIRE_LIMIT_BYTES}")
    body = stream.read(WIRE_LIMIT_BYTES + 1)
    if len(body) > WIRE_LIMIT_BYTES:
        raise too_large(f"the body exceeds the limit of {WIRE_LIMIT_BYTES} bytes on the wire")
    return inflate(body) if is_gzip else bytes(body)


def inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, PLAIN_LIMIT_BYTES + 1)
    except zlib.error as error:
        raise malformed_batch(f"the body is no gzip: {error}") from error
    pass_point("during_gunzip")
    if len(plain) > PLAIN_LIMIT_BYTES:
        raise too_large(f"the body exceeds the limit of {PLAIN_LIMIT_BYTES} bytes unpacked")
    if not inflater.eof:
        raise malformed_batch("the gzip body is cut off")
    if inflater.unused_data:
        raise malformed_batch("something follows the end of the gzip body")
    return plain


def too_large(detail: str) -> TooLarge:
    return TooLarge("too_large", detail, retry_after_seconds=1)


def malformed_batch(detail: str, field: str = "body") -> Invalid:
    return Invalid([FieldError(field, "malformed_batch", detail)], code="malformed_batch")


def decode_batch(body: bytes) -> DecodedBatch:
    """The batch with every record whose envelope is right, and the others with their reasons.

    Raises: Invalid(malformed_batch) when the whole is not readable.
    """
    try:
        batch = BATCH_DECODER.decode(body)
    except msgspec.ValidationError as error:
        field, detail = explain(error)
        raise malformed_batch(detail, field) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # JSON has no NaN and no lone surrogate, but a sender that wrote one still
        # deserves to have the rest of its batch stored.
        return decode_loosely(body)
    records: list[Record] = []
    rejected: list[Rejection] = []
    for index, raw in enumerate(batch.records):
        try:
            envelope = ENVELOPE_DECODER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            rejected.append(refuse_envelope(index, read_loosely(bytes(raw)), error))
            continue
        records.append(Record(envelope.id, envelope.kind, envelope.at, envelope.data))
    return DecodedBatch(batch.batch, batch.layouts, records, rejected)


def read_loosely(text: bytes) -> Any:
    """What Python's parser, which knows NaN and Infinity, makes of the text; None when nothing."""
    try:
        return json.loads(
            text.decode("utf-8", "surrogateescape"), strict=False, parse_int=read_integer
        )
    except (ValueError, RecursionError):
        return None


def read_integer(digits: str) -> float:
    """The integer; infinity for one so long that Python would refuse the whole text for it."""
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


BRACKET_PATTERN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
# Deep enough for check_tree to refuse what is left, shallow enough for every parser.
KEPT_DEPTH = 32


def cut_deep(body: bytes) -> bytes:
    """The body with `null` for what nests below `KEPT_DEPTH`; empty when brackets do not match."""
    parts: list[bytes] = []
    depth = kept_from = 0
    for match in BRACKET_PATTERN.finditer(body):
        if match[0] in (b"[", b"{"):
            depth += 1
            if depth == KEPT_DEPTH + 1:
                parts += [body[kept_from : match.start()], b"null"]
        elif match[0] in (b"]", b"}"):
            if depth == KEPT_DEPTH + 1:
                kept_from = match.end()
            depth -= 1
    return b"".join([*parts, body[kept_from:]]) if depth == 0 else b""


def decode_loosely(body: bytes) -> DecodedBatch:
    tree = read_loosely(body)
    if tree is None:
        tree = read_loosely(cut_deep(body))
    try:
        batch = msgspec.convert(tree, LooseBatch)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        field, detail = explain(error)
        reason = "the body is no JSON" if tree is None else detail
        raise malformed_batch(reason, field) from error
    records: list[Record] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(batch.records):
        try:
            envelope = msgspec.convert(item, LooseEnvelope)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            rejected.append(refuse_envelope(index, item, error))
            continue
        records.append(Record(envelope.id, envelope.kind, envelope.at, envelope.data))
    return DecodedBatch(batch.batch, batch.layouts, records, rejected)


def refuse_envelope(index: int, item: Any, error: Exception) -> Rejection:
    given = item.get("id") if isinstance(item, dict) else None
    field, detail = explain(error)
    name = given if isinstance(given, str) and given else f"#{index}"
    place = "record" if field == "body" else field
    return Rejection(echo_id(name), "malformed", place, detail, shorten(item))


PATH_PATTERN = re.compile(r"^(?P<rule>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)


MISSING_PATTERN = re.compile(r"^Object missing required field `(?P<name>\w+)`")


def explain(error: Exception) -> tuple[str, str]:
    """The field and the broken rule of a decoder's message."""
    match = PATH_PATTERN.match(str(error))
    if match is None:
        return "body", str(error)
    missing = MISSING_PATTERN.match(match["rule"])
    parts = [match["path"], missing["name"] if missing else None]
    return (".".join(part for part in parts if part) or "body"), match["rule"]


def decode_data(record: Record) -> Any:
    """The record's data as its kind's structure, with finite numbers and storable text.

    Raises: RecordRefused naming the field and the limit.
    """
    try:
        if isinstance(record.data, msgspec.Raw):
            return DATA_DECODERS[record.kind].decode(record.data)
        return msgspec.convert(record.data, DATA_TYPES[record.kind])
    except (UnicodeError, RecursionError, msgspec.DecodeError) as error:
        raise refuse_data(error) from error


def decode_document(record: Record) -> dict[str, Any]:
    """The record's data whole, with what its kind's structure does not know.

    Raises: RecordRefused naming the field and the limit.
    """
    if isinstance(record.data, dict):
        return record.data
    try:
        document: dict[str, Any] = msgspec.json.decode(record.data)
    except (UnicodeError, RecursionError, msgspec.DecodeError) as error:
        raise refuse_data(error) from error
    return document


def refuse_data(error: Exception) -> RecordRefused:
    """The refusal that a decoder's error means."""
    if isinstance(error, UnicodeError):
        return RecordRefused("bad_text", "data", "contains text that is no UTF-8")
    if isinstance(error, RecursionError):
        return too_deep("data")
    field, detail = explain(error)
    return RecordRefused(name_rule(detail), f"data.{field}", detail)


def name_rule(detail: str) -> str:
    """The rejection code for a decoder's message."""
    if "of length" in detail:
        return "too_long" if "<=" in detail else "malformed"
    is_about_size = any(mark in detail for mark in (">=", "<=", "out of range"))
    return "out_of_range" if is_about_size else "malformed"
