"""The agents' calls in OpenAPI, drawn from the structures that decode them."""

from typing import Any

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apps.ingest.codec import RECORDS_LIMIT
from apps.ingest.structures import DATA_TYPES

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
ID: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
MOMENT: Schema = {"type": "string", "format": "date-time"}
UUID: Schema = {"type": "string", "format": "uuid"}


class AgentScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its own
    target_class = "apps.ingest.authentication.AgentAuthentication"
    name = "agentKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Agent <key>`, with the key from enrolment.",
        }


def describe_body(body_type: type[msgspec.Struct]) -> Schema:
    """The JSON Schema of a structure with everything it refers to written out in place."""
    (schema,), components = msgspec.json.schema_components([body_type], ref_template=REFERENCE)
    described: Schema = resolve(schema, components)
    return described


def resolve(node: Any, components: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [resolve(item, components) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return resolve(components[node["$ref"].rpartition("/")[2]], components)
    return {name: resolve(item, components) for name, item in node.items()}


def build_object(**properties: Schema) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def build_list(items: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def describe_record(kind: str) -> Schema:
    return build_object(
        id=ID,
        kind={"type": "string", "enum": [kind]},
        at=MOMENT,
        data=describe_body(DATA_TYPES[kind]),
    )


RECORDS_BODY = build_object(
    batch=UUID,
    layouts={"type": "object", "additionalProperties": build_list({"type": "string"})},
    records=build_list(
        {"oneOf": [describe_record(kind) for kind in DATA_TYPES]}, maxItems=RECORDS_LIMIT
    ),
)
TEXT: Schema = {"type": "string"}
RECORDS_ANSWER = build_object(
    stored=build_list(ID),
    duplicate=build_list(ID),
    rejected=build_list(build_object(id=ID, code=TEXT, field=TEXT, detail=TEXT)),
)
ENROL_ANSWER = build_object(client_id=UUID, name=TEXT, key=TEXT, server_time=MOMENT)
HEARTBEAT_ANSWER = build_object(
    received_at=MOMENT,
    answered_at=MOMENT,
    heartbeat_seconds={"type": "number"},
    config_etag=TEXT,
    schedule_revision={"type": "integer"},
    is_inventory_wanted={"type": "boolean"},
)
LEASE_ANSWER = build_object(
    server_time=MOMENT,
    schedule_revision={"type": "integer"},
    horizon_end=MOMENT,
    assignments=build_list({"type": "object", "additionalProperties": True}),
    runs=build_list({"type": "object", "additionalProperties": True}),
    cancelled=build_list(UUID),
)
CONFIG_ANSWER = build_object(
    heartbeat_seconds={"type": "number"},
    lease_seconds={"type": "number"},
    collectors={"type": "object", "additionalProperties": True},
    upload={"type": "object", "additionalProperties": True},
    policy={"type": "object", "additionalProperties": True},
)


def as_json(schema: Schema) -> dict[str, Schema]:
    """The form in which `extend_schema` takes a plain schema as a request."""
    return {"application/json": schema}


RECORDS_EXAMPLE: Schema = {
    "batch": "4b1f0f1e-4d0e-4d5e-8f0a-3c1de4a4a301",
    "layouts": {"2194e6d4c6f2fcad": ["system.cpu.utilization", "system.cpu.load_average.1m"]},
    "records": [
        {
            "id": "1",
            "kind": "frame",
            "at": "2026-01-31T12:00:00.000000Z",
            "data": {
                "source": {"kind": "host", "subject": ""},
                "seq": 1099511627777,
                "layout": "2194e6d4c6f2fcad",
                "values": [0.25, 0.7],
                "absent": {},
            },
        }
    ],
}
RECORDS_ANSWER_EXAMPLE: Schema = {
    "stored": ["1"],
    "duplicate": [],
    "rejected": [
        {"id": "2", "code": "not_finite", "field": "data.values[0]", "detail": "must be finite"}
    ],
}
