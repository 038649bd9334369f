"""The wire's schema and examples: what both sides are held to."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

WIRE = Path(__file__).parents[2] / "agent" / "wire" / "v1"
# The examples were written at this moment; a server of any other day would find them too old.
EXAMPLE_MOMENT = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def read_wire_file(name):
    return json.loads((WIRE / name).read_text())


def read_example(name):
    return read_wire_file(f"examples/valid/{name}.json")


def list_examples(folder):
    return sorted((WIRE / "examples" / folder).glob("*.json"))


@cache
def load_validator(definition):
    return Draft202012Validator({**read_wire_file("schema.json"), "$ref": f"#/$defs/{definition}"})


def list_violations(definition, document):
    """What in the document breaks the definition, as sentences."""
    return [
        f"{definition}: {error.json_path}: {error.message}"
        for error in load_validator(definition).iter_errors(document)
    ]


def list_paths(document, place="$") -> Iterator[str]:
    """The place of every field of a document, list positions left out."""
    if isinstance(document, dict):
        for name, item in document.items():
            yield f"{place}.{name}"
            yield from list_paths(item, f"{place}.{name}")
    elif isinstance(document, list):
        for item in document:
            yield from list_paths(item, f"{place}[]")
