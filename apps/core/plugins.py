"""What other packages add to this server, found by their entry points (docs/plugins.md)."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import structlog

logger = structlog.get_logger(__name__)

Value = TypeVar("Value")


class PluginRefusedError(ValueError):
    """Another package's addition breaks a rule; the text says which, and it is left out."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point of this process; `fault` says why it was left out."""

    group: str
    name: str
    package: str
    fault: str = ""


# What this process found while its tables were built, in the order of their groups.
_found: dict[tuple[str, str, str], Plugin] = {}


def list_plugins() -> list[Plugin]:
    """Every plug-in that this process loaded or left out."""
    return [_found[key] for key in sorted(_found)]


def load_plugins(group: str, accept: Callable[[str, Any], Value]) -> dict[str, Value]:
    """By name, the values of a group's entry points, each loaded and judged by `accept`.

    A plug-in is somebody else's code: whatever it raises leaves only itself out, with a reason.
    """
    loaded: dict[str, Value] = {}
    for point in entry_points(group=group):
        if point.name in loaded:
            note_plugin(group, point, fault="another package has a plug-in of this name")
            continue
        try:
            loaded[point.name] = accept(point.name, point.load())
        except Exception as error:
            reason = str(error) if isinstance(error, PluginRefusedError) else repr(error)
            note_plugin(group, point, fault=reason)
            logger.warning("plugin_left_out", group=group, name=point.name, reason=reason)
            logger.debug("plugin_left_out", group=group, name=point.name, exc_info=True)
        else:
            note_plugin(group, point)
    return loaded


def note_plugin(group: str, point: EntryPoint, *, fault: str = "") -> None:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.module
    _found[group, point.name, package] = Plugin(group, point.name, package, fault)
