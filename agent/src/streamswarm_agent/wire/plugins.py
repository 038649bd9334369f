"""What other packages add to this agent, found by their entry points (docs/plugins.md)."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from streamswarm_agent.errors import PluginRefused
from streamswarm_agent.wire.files import find_wire_directory, load_wire_file

logger = logging.getLogger(__name__)

CONTRACTS = "streamswarm.contracts"
PROBES = "streamswarm.probes"
RESPONDERS = "streamswarm.responders"
COLLECTORS = "streamswarm.collectors"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Plugin(Generic[Value]):
    """One entry point; `fault` says why it was left out, and then there is no value."""

    group: str
    name: str
    package: str
    value: Value | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a plug-in sends: rows as in `metrics.json`, and a kind's schema as in `kinds/`."""

    metrics: tuple[Mapping[str, Any], ...]
    kind: Mapping[str, Any] | None


def load_plugins(group: str, accept: Callable[[str, Any], Value]) -> tuple[Plugin[Value], ...]:
    """The entry points of a group, each loaded and judged by `accept(name, object)`.

    A plug-in is somebody else's code: whatever it raises leaves only itself out, with a reason.
    """
    found = {point.name: point for point in entry_points(group=group)}
    return tuple(_load(group, found[name], accept) for name in sorted(found))


def _load(group: str, point: EntryPoint, accept: Callable[[str, Any], Value]) -> Plugin[Value]:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
    try:
        return Plugin(group, point.name, package, accept(point.name, point.load()))
    except Exception as error:
        reason = str(error) if isinstance(error, PluginRefused) else repr(error)
        logger.warning("plugin_left_out group=%s name=%s reason=%s", group, point.name, reason)
        logger.debug("plugin_left_out group=%s name=%s", group, point.name, exc_info=True)
        return Plugin(group, point.name, package, fault=reason)


@cache
def load_contracts() -> tuple[Plugin[Contract], ...]:
    """What the plug-ins add to the catalogue and to the kinds of test."""
    return load_plugins(CONTRACTS, accept_contract)


def accept_contract(name: str, document: Any) -> Contract:
    """The contract of one plug-in.

    Raises: PluginRefused naming the field that breaks `plugin.json`, or a name that is taken.
    """
    from jsonschema import Draft202012Validator  # heavy, and most agents have no plug-in
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(load_wire_file("plugin.json")).iter_errors(document))
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "contract"
        raise PluginRefused(f"{place}: {error.message}")
    known = {row["name"] for row in load_wire_file("metrics.json")["metrics"]}
    taken = sorted(known.intersection(row["name"] for row in document["metrics"]))
    if taken:
        raise PluginRefused(f"metrics: {', '.join(taken)} is in the catalogue already")
    kind = document.get("kind")
    if kind is not None:
        if (find_wire_directory() / "kinds" / f"{name}.json").exists():
            raise PluginRefused(f"there is a kind of test called {name!r} already")
        Draft202012Validator.check_schema(kind)
    return Contract(tuple(document["metrics"]), kind)
