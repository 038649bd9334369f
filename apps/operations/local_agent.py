"""The agent of this machine: another program, known by its command line and its identity file."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from apps.operations.supervisor.child import Child
from apps.operations.supervisor.programs import Site

AGENT_FOLDER = "agent"
IDENTITY_NAME = "agent.json"
# What the server must not tell a program that only has to measure.
SERVER_PREFIXES = ("SWARM_", "DATABASE_URL", "REDIS_URL", "DJANGO_")


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    client_id: UUID
    key: str = field(repr=False)


def read_identity(folder: Path) -> LocalIdentity | None:
    """What enrolment left in the agent's state folder; None before it."""
    try:
        document = json.loads((folder / IDENTITY_NAME).read_text())
        return LocalIdentity(UUID(document["client_id"]), str(document["key"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def describe_agent(site: Site) -> Child:
    folder = site.var_dir / AGENT_FOLDER
    return Child(
        name="agent",
        argv=(sys.executable, "-m", "streamswarm_agent", "run", "--state-dir", str(folder)),
        environment=build_agent_environment(site),
        folder=folder,
    )


def describe_enrolment(site: Site, *, token: str) -> Child:
    folder = site.var_dir / AGENT_FOLDER
    options = ("--server", site.address, "--token", "-", "--state-dir", str(folder))
    return Child(
        name="agent",
        argv=(sys.executable, "-m", "streamswarm_agent", "enrol", *options),
        environment=build_agent_environment(site),
        folder=folder,
        standard_input=f"{token}\n",
    )


def build_agent_environment(site: Site) -> Mapping[str, str]:
    inherited = {
        name: value
        for name, value in site.environment.items()
        if not name.startswith(SERVER_PREFIXES)
    }
    # What was on the path already may hold plug-ins.
    path = [str(site.root / "agent" / "src"), inherited.get("PYTHONPATH", "")]
    return {**inherited, "PYTHONPATH": os.pathsep.join(part for part in path if part)}


def correct_server_address(site: Site) -> None:
    """Tells the enrolled agent where the server is now; its port may have changed since."""
    path = site.var_dir / AGENT_FOLDER / IDENTITY_NAME
    document = json.loads(path.read_text())
    if document.get("server_url") != site.address:
        new_path = path.with_suffix(".new")
        new_path.write_text(json.dumps({**document, "server_url": site.address}))
        new_path.replace(path)
