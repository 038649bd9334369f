"""A real agent as a process of its own, with a ledger of everything it measured."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.operations.local_agent import LocalIdentity, read_identity
from apps.operations.supervisor.child import Child
from tests.servers.stack import ROOT, RunningChild

COMMAND = (sys.executable, "-m", "streamswarm_agent")
CLI_SECONDS = 60.0


def build_agent_environment(**changes: str) -> dict[str, str]:
    """What an agent on a host of its own knows: nothing of the server's settings."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("SWARM_")}
    return {**inherited, "PYTHONPATH": str(ROOT / "agent" / "src"), **changes}


def run_agent_command(
    *arguments: object, standard_input: str = "", timeout_seconds: float = CLI_SECONDS
) -> subprocess.CompletedProcess[str]:
    """The finished command line: its exit code and what it printed."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=build_agent_environment(),
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )


@dataclass(slots=True)
class AgentHost:
    """A host with an agent: its state folder, its ledger, and the process while it runs.

    `launcher` is what starts the agent's command, as in a namespace of the laboratory.
    """

    folder: Path
    launcher: tuple[str, ...] = ()
    running: RunningChild | None = field(default=None, init=False)

    @property
    def state_folder(self) -> Path:
        return self.folder / "state"

    @property
    def ledger_file(self) -> Path:
        return self.folder / "ledger"

    @property
    def identity(self) -> LocalIdentity:
        identity = read_identity(self.state_folder)
        if identity is None:
            raise RuntimeError(f"no agent is enrolled in {self.state_folder}")
        return identity

    @property
    def client_id(self) -> str:
        return str(self.identity.client_id)

    def enrol(self, server_url: str, token: str, name: str) -> subprocess.CompletedProcess[str]:
        options = ("--server", server_url, "--token", "-", "--name", name)
        return run_agent_command(
            "enrol", *options, "--state-dir", self.state_folder, standard_input=f"{token}\n"
        )

    def check(self) -> subprocess.CompletedProcess[str]:
        return run_agent_command("check", "--state-dir", self.state_folder)

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        options = ("--state-dir", str(self.state_folder), "--ledger", str(self.ledger_file))
        child = Child(
            name="agent",
            argv=(*self.launcher, *COMMAND, "run", *options),
            environment=build_agent_environment(**(environment or {})),
            folder=self.folder,
        )
        self.running = RunningChild(child, self.folder / "agent.log")
        self.running.start()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self.running is None:
            raise RuntimeError("the agent was never started")
        return self.running.process

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """The exit code; a clean stop uploads what is left."""
        if self.running is not None:
            self.running.stop(signal_number)
        return self.process.returncode

    def end(self) -> None:
        if self.running is not None:
            self.running.stop(signal.SIGKILL)

    def read_log(self) -> str:
        return "" if self.running is None else self.running.read_log()

    def read_ledger(self) -> list[str]:
        """The whole lines so far; a line that is just being written is not one yet."""
        if not self.ledger_file.exists():
            return []
        return self.ledger_file.read_text().rpartition("\n")[0].splitlines()


def enrol_host(
    folder: Path, server_url: str, token: str, name: str, *, launcher: tuple[str, ...] = ()
) -> AgentHost:
    """An enrolled agent that is not started yet.

    Raises: RuntimeError with what the command printed when it could not enrol.
    """
    folder.mkdir(parents=True)
    host = AgentHost(folder, launcher)
    result = host.enrol(server_url, token, name)
    if result.returncode != 0:
        raise RuntimeError(f"the agent could not enrol:\n{result.stdout}{result.stderr}")
    return host
