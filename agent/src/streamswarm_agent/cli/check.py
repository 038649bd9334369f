"""`check`: can this agent do its work, and if not, why not."""

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from streamswarm_agent.cli import options
from streamswarm_agent.cli.check_capabilities import check_capabilities, list_grants
from streamswarm_agent.cli.check_host import (
    check_files,
    check_kinds,
    check_plugins,
    check_process,
    check_spool,
)
from streamswarm_agent.cli.check_line import ask_server, check_way
from streamswarm_agent.cli.finding import Check
from streamswarm_agent.collectors.capabilities import detect_capabilities
from streamswarm_agent.errors import AgentError, ConfigurationRefused, StateUnusable
from streamswarm_agent.runtime.configuration.kinds import Value
from streamswarm_agent.runtime.configuration.resolution import Configuration, Resolved
from streamswarm_agent.runtime.configuration.sources import Said
from streamswarm_agent.runtime.configuration.table import Origin, Setting
from streamswarm_agent.runtime.egress import PolicyResolver
from streamswarm_agent.runtime.settings import Settings
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.wire.messages import Config

_COLOURS = {"ok": "green", "no": "yellow", "FAILED": "red"}


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "check", "say what works, what does not, and why")
    options.add_state_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print checks and settings; 0 when everything that is required works, otherwise 1."""
    checks: list[Check] = []
    configuration, config = Configuration(), None
    try:
        sources = options.find_sources(arguments)
        configuration = sources.read()
        shown = str(configuration.file or "no file; environment and command line only")
        checks.append(Check("configuration", is_good=True, detail=shown))
        state = options.open_state(arguments, configuration)
        configuration, config = _check_state(state, configuration, checks)
    except ConfigurationRefused as error:
        remedy = "correct the place that is named"
        checks.append(Check("configuration", is_good=False, detail=str(error), remedy=remedy))
    checks.append(check_kinds())
    checks += check_capabilities(detect_capabilities())
    checks += check_plugins()
    settings = tuple(configuration.resolve_all(config))
    if arguments.json:
        print(json.dumps(describe(checks, settings)))
    else:
        _print_checks(checks)
        _print_capabilities(checks)
        _print_settings(settings)
    return 0 if is_well(checks) else 1


def is_well(checks: Sequence[Check]) -> bool:
    """Whether everything that is required works."""
    return all(check.is_good or not check.is_required for check in checks)


def _check_state(
    state: StateDirectory, configuration: Configuration, checks: list[Check]
) -> tuple[Configuration, Config | None]:
    """Add what the state directory shows; the settings with the enrolment's and the server's."""
    try:
        state.create()
        identity = state.read_identity()
    except StateUnusable as error:
        checks.append(Check("state directory", is_good=False, detail=str(error)))
        return configuration, None
    checks.append(Check("state directory", is_good=True, detail=str(state.path)))
    checks += check_files(state, configuration)
    checks += check_process(state, configuration)
    checks.append(check_spool(state, configuration))
    if identity is None:
        remedy = "streamswarm-agent enrol --server URL --token TOKEN"
        checks.append(Check("enrolment", is_good=False, detail="not enrolled", remedy=remedy))
        return configuration, None
    detail = f"{identity.name}, client {identity.client_id}"
    checks.append(Check("enrolment", is_good=True, detail=detail))
    redirected = options.redirect_identity(identity, configuration)
    found, config = _check_server(redirected, configuration.read_text("server.proxy"))
    checks += found
    enrolled = configuration.with_enrolment(identity.server_url, identity.ca_file)
    return enrolled, config or _read_kept_config(state)


def _check_server(identity: Identity, proxy: str | None) -> tuple[list[Check], Config | None]:
    try:
        way = list(check_way(identity, proxy))
    except AgentError as error:
        return [Check("certificate", is_good=False, detail=str(error))], None
    if not is_well(way):
        unreached = Check("server", is_good=False, detail=f"{identity.server_url}: not reached")
        return [*way, unreached], None
    answered, config = asyncio.run(ask_server(identity, proxy))
    return [*way, *answered], config


def _read_kept_config(state: StateDirectory) -> Config | None:
    """What the server said last, None when it never said anything."""
    kept = Settings(state, PolicyResolver())
    kept.resume()
    return kept.config if kept.etag else None


def describe(checks: Sequence[Check], settings: Sequence[Resolved]) -> dict[str, Any]:
    """Everything that was found, for programs."""
    return {
        "is_well": is_well(checks),
        "checks": [asdict(check) | {"mark": check.mark} for check in checks],
        "settings": [_describe_setting(resolved) for resolved in settings],
    }


def _describe_setting(resolved: Resolved) -> Mapping[str, Any]:
    setting = resolved.setting
    return {
        "name": setting.name,
        "value": hide_secret(setting, resolved.value),
        "unit": setting.unit,
        "meaning": setting.meaning,
        "takes": setting.kind.expectation,
        "decided_by": str(setting.rule),
        "from": [str(one.origin) for one in resolved.origins] or ["built-in"],
        "places": [one.place for one in resolved.origins if one.place],
        "overrides": [
            {"from": str(one.origin), "place": one.place, "value": hide_secret(setting, one.value)}
            for one in resolved.overridden
        ],
        "variable": setting.variable,
        "is_live": setting.is_live,
    }


def hide_secret(setting: Setting, value: Value) -> Value:
    """The value, a URL without the password that may be in it."""
    if not setting.is_secret or not isinstance(value, str):
        return value
    parts = urlsplit(value)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"…@{place}" if "@" in parts.netloc else place).geturl()


def format_value(setting: Setting, value: Value) -> str:
    """A value as people read it, with its unit."""
    value = hide_secret(setting, value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} {setting.unit}".rstrip()


def explain_overridden(resolved: Resolved) -> str:
    """`server says 10 s, file says 30 s`; empty when nobody says anything else."""
    others = (one for one in resolved.overridden if one.value != resolved.value)
    return ", ".join(_explain(resolved, one) for one in others)


def _explain(resolved: Resolved, said: Said) -> str:
    return f"{said.origin} says {format_value(resolved.setting, said.value)}"


def _list_origins(resolved: Resolved) -> Iterator[str]:
    if not resolved.origins:
        yield "built-in"
    for one in resolved.origins:
        has_place = one.place and one.origin is not Origin.COMMAND_LINE
        yield f"{one.origin} ({one.place})" if has_place else str(one.origin)


def _print_checks(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "finding", "what to do", box=None, header_style="bold")
    for check in (check for check in checks if not check.enables):
        remedy = "" if check.is_good else check.remedy
        mark = Text(check.mark, _COLOURS[check.mark])
        table.add_row(mark, Text(check.subject), Text(check.detail), Text(remedy))
    Console().print(table)


def _print_capabilities(checks: Sequence[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    titles = ("", "capability", "enables", "finding", "used instead")
    table = Table(*titles, box=None, header_style="bold")
    for check in (check for check in checks if check.enables):
        mark = Text(check.mark, _COLOURS[check.mark])
        words = (check.subject, check.enables, check.detail, check.fallback)
        table.add_row(mark, *map(Text, words))
    console = Console()
    console.print()
    console.print(table)
    grants = list_grants(checks)
    if grants:
        console.print("\n What would grant more, by the administrator of this host:")
    for grant in grants:
        console.print(Text(f"   {', '.join(grant.subjects)}"))
        # A command must come out whole: it is copied.
        console.print(Text(f"     {grant.command}", "bold"), soft_wrap=True)


def _print_settings(settings: Sequence[Resolved]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", "overrides", box=None, header_style="bold")
    for resolved in settings:
        style = "" if resolved.origins else "dim"
        value = format_value(resolved.setting, resolved.value)
        cells = (resolved.setting.name, value, ", ".join(_list_origins(resolved)))
        table.add_row(*(Text(cell, style) for cell in cells), Text(explain_overridden(resolved)))
    console = Console()
    console.print()
    console.print(table)
