"""`check`: can this agent do its work, and if not, why not."""

import argparse
import asyncio
import email.utils
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamswarm_agent.cli import options
from streamswarm_agent.collectors.inventory import collect_inventory
from streamswarm_agent.errors import AgentError, CallFailed, CallRefused, StateUnusable
from streamswarm_agent.probes import PROBES
from streamswarm_agent.spool.state import Identity, StateDirectory
from streamswarm_agent.transport.client import ServerClient
from streamswarm_agent.transport.connection import make_tls_context, open_http

_TOLERATED_OFFSET_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the answer; a line that is not required never fails the command."""

    subject: str
    is_good: bool
    detail: str
    remedy: str = ""
    is_required: bool = True


def add_command(commands: Any) -> None:
    parser = options.add_parser(commands, "check", "say what works, what does not, and why")
    options.add_state_option(parser)
    parser.set_defaults(execute=execute)


def execute(arguments: argparse.Namespace) -> int:
    """Print the checks; 0 when everything that is required works."""
    state = options.open_state(arguments)
    checks = [*check_state(state), *check_capabilities(collect_inventory(tuple(PROBES)))]
    _print_checks(checks)
    return 0 if all(check.is_good or not check.is_required for check in checks) else 1


def check_state(state: StateDirectory) -> Iterator[Check]:
    """The state directory, and with an identity in it the server."""
    try:
        state.create()
        identity = state.read_identity()
    except StateUnusable as error:
        yield Check("state directory", is_good=False, detail=str(error))
        return
    yield Check("state directory", is_good=True, detail=str(state.path))
    if identity is None:
        remedy = "streamswarm-agent enrol --server URL --token TOKEN"
        yield Check("enrolment", is_good=False, detail="not enrolled", remedy=remedy)
        return
    detail = f"{identity.name}, client {identity.client_id}"
    yield Check("enrolment", is_good=True, detail=detail)
    yield from asyncio.run(check_server(identity))


async def check_server(identity: Identity) -> list[Check]:
    """Reach the server with the key, without a heartbeat that a running agent must not share."""
    url = identity.server_url
    try:
        client = ServerClient(open_http(url, make_tls_context(url, identity.ca_file)), identity.key)
        try:
            begin = time.monotonic()
            answer = await client.fetch_config()
            journey_seconds = time.monotonic() - begin
        finally:
            await client.close()
    except CallRefused as error:
        reached = Check("server", is_good=True, detail=f"{url} answers")
        remedy = "enrol again with a new token" if error.code.startswith("key_") else ""
        return [reached, Check("key", is_good=False, detail=str(error), remedy=remedy)]
    except (CallFailed, AgentError) as error:
        remedy = "check address, name service, firewall and certificate"
        return [Check("server", is_good=False, detail=f"{url}: {error}", remedy=remedy)]
    return [
        Check("server", is_good=True, detail=f"{url} answered in {journey_seconds * 1000:.0f} ms"),
        Check("key", is_good=True, detail="accepted"),
        check_clock(
            answer.date if answer else "", now=time.time(), journey_seconds=journey_seconds
        ),
    ]


def check_clock(date: str, *, now: float, journey_seconds: float) -> Check:
    """Compare this host's clock with an answer's `Date`, which is cut to whole seconds."""
    try:
        server_seconds = email.utils.parsedate_to_datetime(date).timestamp() + 0.5
    except ValueError:
        detail = "the server did not say its time"
        return Check("clock", is_good=False, detail=detail, is_required=False)
    offset_seconds = server_seconds - (now - journey_seconds / 2)
    return Check(
        "clock",
        is_good=abs(offset_seconds) < _TOLERATED_OFFSET_SECONDS,
        detail=f"server minus host: {offset_seconds:+.1f} s (± {0.5 + journey_seconds / 2:.1f} s)",
        remedy="measurements are corrected; let NTP set the host's clock all the same",
        is_required=False,
    )


def check_capabilities(inventory: Mapping[str, Any]) -> Iterator[Check]:
    """What this host lets the agent measure, with the reason and the remedy where it does not."""
    for name, capability in sorted(inventory["capabilities"].items()):
        yield Check(
            name.replace("_", " "),
            is_good=bool(capability["is_available"]),
            detail=str(capability.get("reason", "")) or "available",
            remedy=str(capability.get("remedy", "")),
            is_required=False,
        )


def _print_checks(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "finding", "what to do", box=None, header_style="bold")
    for check in checks:
        mark = Text("ok", "green") if check.is_good else Text("no", "yellow")
        if check.is_required and not check.is_good:
            mark = Text("FAILED", "red")
        remedy = "" if check.is_good else check.remedy
        table.add_row(mark, Text(check.subject), Text(check.detail), Text(remedy))
    Console().print(table)
