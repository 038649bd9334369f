"""What the data of each kind of record must look like."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

Moment = Annotated[datetime, Meta(tz=True)]
AbsentCode = Literal["U", "P", "T", "N", "I"]
Text16 = Annotated[str, Meta(min_length=1, max_length=16)]
Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
Text255 = Annotated[str, Meta(max_length=255)]
Key = Annotated[str, Meta(min_length=1, max_length=255)]
Sequence63 = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class SourceName(msgspec.Struct, frozen=True):
    kind: Text16
    subject: Text255 = ""


class FrameData(msgspec.Struct, frozen=True):
    source: SourceName
    seq: Sequence63
    layout: Text16
    values: Annotated[list[float | None], Meta(max_length=256)]
    absent: dict[Key, AbsentCode] = {}
    run: UUID | None = None


class FactData(msgspec.Struct, frozen=True):
    source: SourceName
    key: Key
    value: Annotated[str, Meta(max_length=1024)]


class ResultData(msgspec.Struct, frozen=True):
    run: UUID
    assignment: UUID
    slot: Sequence63 | None
    revision: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    started_at: Moment
    finished_at: Moment
    outcome: Literal["completed", "failed", "cancelled", "aborted"]
    is_success: bool | None = None
    reason: Annotated[str, Meta(max_length=1024)] = ""
    method: Annotated[str, Meta(max_length=32)] = ""
    values: Annotated[dict[Key, float], Meta(max_length=256)] = {}
    absent: Annotated[dict[Key, AbsentCode], Meta(max_length=256)] = {}
    facts: Annotated[dict[Key, Annotated[str, Meta(max_length=1024)]], Meta(max_length=64)] = {}
    document: dict[str, Any] = {}


class InterfaceData(msgspec.Struct, frozen=True):
    name: Text64
    mac_address: Annotated[str, Meta(max_length=32)] | None = None
    addresses: Annotated[list[Text64], Meta(max_length=64)] = []
    mtu_bytes: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    speed_bits_per_second: Sequence63 | None = None
    is_up: bool = False


class ResponderData(msgspec.Struct, frozen=True):
    port: Annotated[int, Meta(ge=1, le=65535)]
    kinds: Annotated[list[Text64], Meta(max_length=256)]


class InventoryData(msgspec.Struct, frozen=True):
    hostname: Annotated[str, Meta(max_length=253)] = ""
    operating_system: Annotated[str, Meta(max_length=100)] = ""
    operating_system_version: Annotated[str, Meta(max_length=100)] = ""
    interfaces: Annotated[list[InterfaceData], Meta(max_length=256)] = []
    capabilities: Annotated[dict[Text64, dict[str, Any]], Meta(max_length=64)] = {}
    responder: ResponderData | None = None


class DocumentData(msgspec.Struct, frozen=True):
    source: SourceName
    document: dict[str, Any]


DATA_TYPES: Mapping[str, type[msgspec.Struct]] = {
    "frame": FrameData,
    "fact": FactData,
    "result": ResultData,
    "inventory": InventoryData,
    "processes": DocumentData,
    "connections": DocumentData,
}
DATA_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(data_type) for kind, data_type in DATA_TYPES.items()
}

Data = TypeVar("Data", bound=msgspec.Struct)
