"""The refusals in the OpenAPI schema: one shape, one example a status, on every operation."""

from typing import Any

Document = dict[str, Any]

ERROR_SCHEMA: Document = {
    "type": "object",
    "required": ["code", "detail", "data"],
    "properties": {
        "code": {"type": "string", "description": "What a program may act on."},
        "detail": {"type": "string", "description": "A sentence for people."},
        "request_id": {
            "type": "string",
            "description": "Under which the server's log has more; also in `X-Request-ID`.",
        },
        "data": {
            "type": "object",
            "description": "More, by code; of broken fields `errors`.",
            "properties": {
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "code", "detail"],
                        "properties": {
                            "field": {"type": "string"},
                            "code": {"type": "string"},
                            "detail": {"type": "string"},
                        },
                    },
                }
            },
            "additionalProperties": True,
        },
    },
}
FIELD_ERROR = {"field": "points", "code": "max_value", "detail": "must be from 1 to 2000"}
EXAMPLES: dict[int, Document] = {
    400: {"code": "invalid", "detail": "points: ...", "data": {"errors": [FIELD_ERROR]}},
    401: {"code": "not_authenticated", "detail": "Sign in first.", "data": {}},
    403: {"code": "refused", "detail": "Your role does not allow you to ...", "data": {}},
    404: {"code": "client_unknown", "detail": "There is no such client.", "data": {}},
    409: {"code": "name_taken", "detail": "Another test has it.", "data": {"field": "name"}},
    413: {"code": "too_large", "detail": "1200000 bytes exceed the limit ...", "data": {}},
    429: {"code": "locked_out", "detail": "Too many failed attempts: ...", "data": {}},
    503: {"code": "database_unavailable", "detail": "Nothing was stored.", "data": {}},
    507: {"code": "storage_full", "detail": "Nothing was stored.", "data": {}},
}
MEANINGS = {
    400: "A field breaks a rule; `data.errors` names each with its limit.",
    401: "Who you are is not proved.",
    403: "Your role, or your token's scope, does not allow it.",
    404: "There is no such thing, or none that you may see.",
    409: "It does not fit what there is.",
    413: "Too large; wait `Retry-After` seconds and send less.",
    429: "Too many failed attempts; try again after `Retry-After` seconds.",
    503: "The database does not answer; send it again after `Retry-After` seconds.",
    507: "The disk is full; send it again after `Retry-After` seconds.",
}
RETRIED = frozenset({413, 429, 503, 507})
AGENT_DOOR = "/api/v1/agent/"
GUESSED = frozenset({"/api/v1/jwt/", "/api/v1/users/me/password/"})


def document_errors(result: Document, generator: Any, request: Any, public: Any) -> Document:
    """The schema with the refusals each operation may answer; a hook of drf-spectacular."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    components["responses"] = {f"Error{status}": describe_response(status) for status in MEANINGS}
    for path, operations in result.get("paths", {}).items():
        for method, operation in operations.items():
            for status in choose_statuses(path, method, operation):
                reference = {"$ref": f"#/components/responses/Error{status}"}
                operation["responses"].setdefault(str(status), reference)
    return result


def document_fields(result: Document, generator: Any, request: Any, public: Any) -> Document:
    """The schema with `?fields=` on every operation that reads; a hook of drf-spectacular."""
    schemas = result.get("components", {}).get("schemas", {})
    whole = list_whole(generator)
    for path, operations in result.get("paths", {}).items():
        operation = operations.get("get")
        if operation is None or path.startswith(AGENT_DOOR) or path in whole:
            continue
        names = list_selectable(operation, schemas)
        if names:
            operation.setdefault("parameters", []).append(describe_fields(names))
    return result


def list_whole(generator: Any) -> set[str]:
    """The paths whose answers have a shape that other programs expect (`FieldSelection`)."""
    return {
        path
        for path, _pattern, _method, callback in generator.endpoints
        if getattr(callback.cls, "is_whole", False)
    }


def list_selectable(operation: Document, schemas: Document) -> list[str]:
    """The members of the answer's rows, or of the answer itself when it is one object."""
    content = operation["responses"].get("200", {}).get("content", {})
    schema = follow(content.get("application/json", {}).get("schema", {}), schemas)
    results = schema.get("properties", {}).get("results")
    rows = results if results is not None else schema
    row = follow(rows.get("items", rows), schemas)
    return sorted(row.get("properties", {}))


def follow(schema: Document, schemas: Document) -> Document:
    """The schema that a reference names, or the schema itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = schemas.get(name, {}) if name else schema
    return found


def describe_fields(names: list[str]) -> Document:
    return {
        "in": "query",
        "name": "fields",
        "description": "Only these members of each row, separated by commas.",
        "schema": {"type": "array", "items": {"type": "string", "enum": names}},
        "style": "form",
        "explode": False,
        "example": names[:2],
    }


def describe_response(status: int) -> Document:
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": EXAMPLES[status]}
    response: Document = {
        "description": MEANINGS[status],
        "content": {"application/json": content},
    }
    if status in RETRIED:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return response


def choose_statuses(path: str, method: str, operation: Document) -> list[int]:
    """The refusals that such an operation may answer."""
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    is_agent, has_body = path.startswith(AGENT_DOOR), "requestBody" in operation
    conditions = {
        400: has_body or "query" in places,
        401: True,
        403: not is_agent,
        404: "path" in places,
        409: not is_agent and method in {"post", "put", "patch", "delete"},
        413: is_agent and has_body,
        429: path in GUESSED,
        503: is_agent and has_body,
        507: is_agent and has_body,
    }
    return [status for status, is_possible in conditions.items() if is_possible]
