"""Where settings are said: the file, the environment, the command line and the server."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamswarm_agent.errors import ConfigurationRefused
from streamswarm_agent.runtime.configuration.kinds import Value
from streamswarm_agent.runtime.configuration.table import SETTINGS, Origin, Rule, Setting
from streamswarm_agent.wire.messages import Config

DEFAULT_FILE = Path("/etc/streamswarm/agent.toml")
FILE_VARIABLE = "SWARM_AGENT_CONFIG"
OTHER_VARIABLES = frozenset({FILE_VARIABLE, "SWARM_AGENT_CRASH_AT"})

_TABLE_LINE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY_LINE = re.compile(r"\s*([\w.\s\"'-]+?)\s*=")


@dataclass(frozen=True, slots=True)
class Said:
    """One value, who says it, and the place to change it."""

    setting: Setting
    value: Value
    origin: Origin
    place: str


def find_file(chosen: str | None, environment: Mapping[str, str]) -> Path | None:
    """The file by option, then SWARM_AGENT_CONFIG, then the usual one if it is there."""
    if choice := chosen or environment.get(FILE_VARIABLE):
        return Path(choice).expanduser().absolute()
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def read_file(path: Path) -> Iterator[Said]:
    """What a TOML file says.

    Raises: ConfigurationRefused naming file, line and key of what is not understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationRefused(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationRefused(f"{path}: {error}") from error
    for name, value in _flatten(document, ""):
        line = find_line(text, name)
        place = f"{path}:{line}" if line else str(path)
        yield _say(name, value, Origin.FILE, place)


def read_environment(environment: Mapping[str, str]) -> Iterator[Said]:
    """What the variables of the table say; an empty one says nothing.

    Raises: ConfigurationRefused naming the variable.
    """
    for setting in SETTINGS.values():
        text = environment.get(setting.variable, "") if setting.variable else ""
        if text.strip():
            value = setting.kind.read_text(text)
            yield _say(setting.name, value, Origin.ENVIRONMENT, setting.variable)


def read_options(assignments: Sequence[str]) -> Iterator[Said]:
    """What `NAME=VALUE` texts of the command line say.

    Raises: ConfigurationRefused naming the setting.
    """
    for text in assignments:
        name, separator, value = text.partition("=")
        place = f"--set {name.strip()}"
        if not separator:
            raise ConfigurationRefused(f"{place}: must look like NAME=VALUE")
        known = SETTINGS.get(name.strip())
        read = known.kind.read_text(value) if known else value
        yield _say(name.strip(), read, Origin.COMMAND_LINE, place)


def read_server(config: Config) -> Iterator[Said]:
    """What the server's configuration says; a collector this agent has not is left out."""
    said: dict[str, Value] = {
        "timing.heartbeat_seconds": config.heartbeat_seconds,
        "timing.lease_seconds": config.lease_seconds,
        "timing.stream_seconds": config.stream_seconds,
        "timing.idle_seconds": config.idle_seconds,
        "policy.denied_networks": config.denied_networks,
    }
    for name, collector in config.collectors.items():
        said[f"collectors.{name}.enabled"] = collector.is_enabled
        said[f"collectors.{name}.interval_seconds"] = collector.interval_seconds
    for name, value in said.items():
        if name in SETTINGS:
            yield Said(SETTINGS[name], value, Origin.SERVER, "")


def list_unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Sentences on variables that look like ours and mean nothing."""
    known = OTHER_VARIABLES | {setting.variable for setting in SETTINGS.values()}
    return [
        f"{name} means nothing{suggest(name, known)}"
        for name in sorted(environment)
        if name.startswith("SWARM_AGENT_") and name not in known
    ]


def suggest(name: str, known: Sequence[str] | frozenset[str]) -> str:
    """`; did you mean X?` with the nearest known name, or nothing."""
    nearest = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def find_line(text: str, name: str) -> int | None:
    """The number of the line of a TOML text that sets the dotted name, None when none is found."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := _TABLE_LINE.match(line):
            table = _strip_quotes(heading[1])
            if table == name:
                return number
        elif key := _KEY_LINE.match(line):
            full = f"{table}.{_strip_quotes(key[1])}" if table else _strip_quotes(key[1])
            if full == name or name.startswith(f"{full}."):
                return number
    return None


def _strip_quotes(dotted: str) -> str:
    return re.sub(r"[\s\"']", "", dotted)


def _flatten(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        name = f"{prefix}{key}"
        is_known_table = any(known.startswith(f"{name}.") for known in SETTINGS)
        if isinstance(value, dict) and (value or is_known_table):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def _say(name: str, value: Any, origin: Origin, place: str) -> Said:
    setting = SETTINGS.get(name)
    if setting is None:
        raise ConfigurationRefused(
            f"{place}: there is no setting {name}{suggest(name, tuple(SETTINGS))}"
        )
    if setting.rule is Rule.SERVER:
        raise ConfigurationRefused(f"{place}: {name} is decided by the server alone")
    try:
        return Said(setting, setting.kind.accept(value), origin, place)
    except ConfigurationRefused as error:
        reason = f"must be {setting.kind.expectation}" if setting.is_secret else str(error)
        raise ConfigurationRefused(f"{place}: {name}: {reason}") from None
