"""What the server knows of a kind of test."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from apps.core.errors import FieldError

KINDS_DIR = Path(__file__).resolve().parents[3] / "agent" / "wire" / "v1" / "kinds"


@dataclass(frozen=True)
class Kind:
    """A kind of test: its parameters' schema (the agent's too) and what a list shows of it."""

    name: str
    headline: tuple[str, ...]
    chart: tuple[str, ...]
    # The schema of a kind that comes with a plug-in's contract; ours are files.
    added_schema: Mapping[str, Any] | None = None

    @cached_property
    def schema(self) -> dict[str, Any]:
        if self.added_schema is not None:
            return dict(self.added_schema)
        schema: dict[str, Any] = json.loads((KINDS_DIR / f"{self.name}.json").read_text("utf-8"))
        return schema

    @property
    def title(self) -> str:
        return str(self.schema["title"])

    @property
    def target_form(self) -> str:
        """`host`, `resolver` or `url`."""
        return str(self.schema["x-target"])

    def fill_defaults(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with the schema's default for each one left out."""
        defaults = {
            name: rule["default"]
            for name, rule in self.schema["properties"].items()
            if "default" in rule
        }
        return {**defaults, **parameters}

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[FieldError]:
        """What is wrong with the parameters; each problem names its field and the limit."""
        errors = Draft202012Validator(self.schema).iter_errors(dict(parameters))
        return [
            FieldError(
                field=".".join(["parameters", *(str(part) for part in error.absolute_path)]),
                code=str(error.validator),
                detail=error.message,
            )
            for error in errors
        ]
