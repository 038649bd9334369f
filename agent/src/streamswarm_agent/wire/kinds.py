"""The kinds of test and the rules of their parameters, from `kinds/*.json`."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from streamswarm_agent.errors import ParametersRefused
from streamswarm_agent.wire.files import find_wire_directory, load_wire_file
from streamswarm_agent.wire.plugins import load_contracts

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


def list_own_kinds() -> tuple[str, ...]:
    """The names of the kinds of test that come with the agent, sorted."""
    return tuple(sorted(path.stem for path in (find_wire_directory() / "kinds").glob("*.json")))


@cache
def list_kinds() -> tuple[str, ...]:
    """The names of all kinds of test, those of plug-ins included, sorted."""
    return tuple(sorted({*list_own_kinds(), *_list_added_kinds()}))


def _list_added_kinds() -> Mapping[str, Mapping[str, Any]]:
    return {
        one.name: one.value.kind
        for one in load_contracts()
        if one.value is not None and one.value.kind is not None
    }


@cache
def load_kind(kind: str) -> Mapping[str, Any]:
    """The JSON Schema of a kind's parameters.

    Raises: ParametersRefused when this agent does not know the kind.
    """
    if kind not in list_kinds():
        raise ParametersRefused(f"unknown kind of test {kind!r}; known: {', '.join(list_kinds())}")
    if kind not in list_own_kinds():
        return _list_added_kinds()[kind]
    schema: Mapping[str, Any] = load_wire_file(f"kinds/{kind}.json")
    return schema


@cache
def load_validator(kind: str) -> "Draft202012Validator":
    """The validator of a kind's parameters; the first call takes a tenth of a second.

    Raises: ParametersRefused when this agent does not know the kind.
    """
    from jsonschema import Draft202012Validator  # heavy, and not every agent starts a run

    return Draft202012Validator(load_kind(kind))


def complete_parameters(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the kind's defaults filled in.

    Raises: ParametersRefused naming the field and the limit when a rule is broken.
    """
    from jsonschema.exceptions import best_match

    error = best_match(load_validator(kind).iter_errors(dict(parameters)))
    if error is not None:
        field = ".".join(str(part) for part in error.absolute_path)
        raise ParametersRefused(f"{field}: {error.message}" if field else error.message)
    defaults = {
        name: rule["default"]
        for name, rule in load_kind(kind)["properties"].items()
        if "default" in rule
    }
    return defaults | dict(parameters)
