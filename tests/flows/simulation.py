"""Many simulated clients against a real server, and what their ledger says beside its database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.oracle import Database, Verdict, compare
from tests.flows.agents import run_agent_command
from tests.flows.api_user import ApiUser

CLI_SLACK_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """The command's own summary, what it printed when it failed, and the oracle's verdict."""

    exit_code: int
    summary: dict[str, Any]
    complaint: str
    verdict: Verdict


def simulate(
    server: Any,
    admin: ApiUser,
    ledger_file: Path,
    *,
    clients: int,
    rate_per_second: float,
    duration_seconds: float,
    further: Sequence[object] = (),
) -> Simulation:
    """Enrols the clients, lets them send, and compares; the ledger's file must be a new one.

    `further` are options of the command beside these. Clients that had frames before are left out.
    """
    database = Database.of(server.environment)
    others = {owner for owner, _line in database.list_frames()}
    token = admin.issue_enrolment_token(max_uses=clients)
    options = ("--server", server.base_url, "--token", "-", "--ledger", ledger_file, "--json")
    load = ("--clients", clients, "--rate", rate_per_second, "--duration", duration_seconds)
    result = run_agent_command(
        "simulate",
        *options,
        *load,
        *further,
        standard_input=f"{token}\n",
        timeout_seconds=duration_seconds + CLI_SLACK_SECONDS,
    )
    stored = [one for one in database.list_frames() if one[0] not in others]
    return Simulation(
        exit_code=result.returncode,
        summary=json.loads(result.stdout or "{}"),
        complaint=result.stderr,
        verdict=compare(
            ledger_file.read_text().splitlines(), (f"{owner} {line}" for owner, line in stored)
        ),
    )
