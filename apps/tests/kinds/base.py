"""What the server knows of a kind of test."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from apps.configuration.selectors import read_settings
from apps.core.errors import FieldError
from apps.tests.algorithms.load import Load, describe_exchanges

KINDS_DIR = Path(__file__).resolve().parents[3] / "agent" / "wire" / "v1" / "kinds"
# Of a plug-in's kind that says nothing of its load: a short exchange each sample.
UNSAID_PACKETS, UNSAID_BYTES = 20, 10_000
PAIR_PARTICIPANTS = 2
EXCLUSIVE = "exclusive"
INITIATOR_ONLY = frozenset({"initiator"})


@dataclass(frozen=True)
class Kind:
    """A kind of test: its parameters' schema (the agent's too) and what a list shows of it."""

    name: str
    headline: tuple[str, ...]
    chart: tuple[str, ...]
    # The most that a run may put on the network; a kind without one says it in its schema.
    measure_load: Callable[[Mapping[str, Any]], Load] | None = None
    # Packets and bytes of what a run asks once beside, at its end.
    measure_extras: Callable[[Mapping[str, Any]], tuple[int, int]] | None = None
    # The parameters whose default is one of the server's settings.
    default_settings: Mapping[str, str] = field(default_factory=dict, hash=False)
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
        """`host`, `resolver`, `url` or `agent`; `peer` for a kind that two clients run."""
        return "peer" if self.is_paired else str(self.schema["x-target"])

    @property
    def target_label(self) -> str:
        """What the target is called on a form; empty where there is none."""
        return "" if self.is_paired else str(self.schema["x-target-label"])

    @property
    def is_paired(self) -> bool:
        """Whether a run needs two clients: one initiates it, its peer answers."""
        return bool(self.schema.get("x-participants", 1) == PAIR_PARTICIPANTS)

    def is_exclusive(self, parameters: Mapping[str, Any]) -> bool:
        """Whether nothing else of this sort may use the participants' lines meanwhile.

        `x-class` of the schema says so, and `x-class` of a parameter what a value of it makes.
        """
        for name, rule in self.schema["properties"].items():
            by_value = rule.get("x-class", {})
            if name in parameters and write_value(parameters[name]) in by_value:
                return bool(by_value[write_value(parameters[name])] == EXCLUSIVE)
        return bool(self.schema.get("x-class") == EXCLUSIVE)

    def fill_defaults(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters with the default for each one left out."""
        defaults = {
            name: rule["default"]
            for name, rule in self.schema["properties"].items()
            if "default" in rule
        }
        missing = self.default_settings.keys() - parameters.keys()
        return {**defaults, **self.read_defaults(missing), **parameters}

    def read_defaults(self, parameters: Iterable[str]) -> dict[str, object]:
        """What the server's settings give those parameters, as far as they have one."""
        by_setting = {self.default_settings[name]: name for name in parameters}
        if not by_setting:
            return {}
        values = read_settings(by_setting)
        return {name: values[setting] for setting, name in by_setting.items()}

    def describe_parameters(self) -> dict[str, Any]:
        """The schema with the defaults that hold now."""
        rules: dict[str, Any] = {**self.schema["properties"]}
        for name, value in self.read_defaults(self.default_settings).items():
            rules[name] = {**rules[name], "default": value}
        return {**self.schema, "properties": rules}

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

    def estimate_load(
        self,
        parameters: Mapping[str, Any],
        sample_interval_seconds: float,
        *,
        duration_seconds: float,
    ) -> Load:
        """The most that a run asks of the network while it runs; parameters may be incomplete.

        What it asks once is spread over its duration. A plug-in's kind says in its schema what it
        exchanges each `interval_seconds`, or else each sample: `"x-load": {"packets": 20,
        "bytes": 10000}`.
        """
        complete = self.fill_defaults(parameters)
        if self.measure_load is not None:
            return self.measure_load(complete) + self._estimate_extras(complete, duration_seconds)
        said = self.schema.get("x-load", {})
        return describe_exchanges(
            packets=said.get("packets", UNSAID_PACKETS),
            size_bytes=said.get("bytes", UNSAID_BYTES),
            interval_seconds=complete.get("interval_seconds") or sample_interval_seconds,
        )

    def _estimate_extras(self, complete: Mapping[str, Any], duration_seconds: float) -> Load:
        if self.measure_extras is None:
            return Load()
        packets, size_bytes = self.measure_extras(complete)
        return describe_exchanges(
            packets=packets, size_bytes=size_bytes, interval_seconds=duration_seconds
        )

    def list_needs(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The capabilities of which an agent must have one; none when any agent can run it.

        `x-needs` of the schema names them, and `x-needs` of a parameter what a value of it
        needs instead.
        """
        for name, rule in self.schema["properties"].items():
            by_value = rule.get("x-needs", {})
            if parameters.get(name) in by_value:
                return tuple(by_value[parameters[name]])
        return tuple(self.schema.get("x-needs", ()))

    def explain_inability(
        self,
        parameters: Mapping[str, Any],
        inventory: Mapping[str, Any],
        roles: Collection[str] = INITIATOR_ONLY,
    ) -> str:
        """Why an agent with that inventory cannot take those roles; empty when it can."""
        if "responder" in roles and self.name not in list_answered(inventory):
            return f"its agent does not answer {self.title}"
        if "initiator" not in roles:
            return ""
        probes = inventory.get("probes")
        if not isinstance(probes, list):
            return "has not said yet what it can measure"
        if self.name not in probes:
            return f"its agent has no probe for {self.title}"
        needs = self.list_needs(parameters)
        capabilities = inventory.get("capabilities")
        known = capabilities if isinstance(capabilities, dict) else {}
        states = [known.get(need) for need in needs]
        said = [state for state in states if isinstance(state, dict)]
        if not needs or any(state.get("is_available") is True for state in said):
            return ""
        reasons = [str(state["reason"]) for state in said if state.get("reason")]
        why = f" ({reasons[0]})" if reasons else ""
        return f"lacks {' or '.join(needs)}{why}"


def write_value(value: Any) -> str:
    """A parameter's value as a key of a JSON object."""
    return value if isinstance(value, str) else json.dumps(value)


def list_answered(inventory: Mapping[str, Any]) -> list[str]:
    """The kinds whose runs an agent answers by its inventory."""
    responder = inventory.get("responder")
    kinds = responder.get("kinds") if isinstance(responder, dict) else None
    return [str(kind) for kind in kinds] if isinstance(kinds, list) else []
