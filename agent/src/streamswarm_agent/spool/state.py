"""The state directory: identity, orders and the lock that keeps it to one agent."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from streamswarm_agent.errors import StateUnusable


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is to which server; what enrolment left behind."""

    server_url: str
    client_id: str
    name: str
    key: str = field(repr=False)
    ca_file: str | None = None


def find_state_directory(
    chosen: str | None, environment: Mapping[str, str], *, is_root: bool
) -> Path:
    """The directory by option, then SWARM_AGENT_STATE_DIR, then the user's usual place."""
    if choice := chosen or environment.get("SWARM_AGENT_STATE_DIR"):
        return Path(choice).expanduser().absolute()
    if is_root:
        return Path("/var/lib/streamswarm-agent")
    return Path("~/.local/state/streamswarm-agent").expanduser()


class StateDirectory:
    """Files of one agent. Every write is atomic and on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool_path = path / "spool.sqlite3"

    def create(self) -> None:
        """Make the directory, for its owner only.

        Raises: StateUnusable when it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied", str(self.path))
        except OSError as error:
            raise StateUnusable(
                f"state directory {self.path}: {error.strerror}; choose another with --state-dir"
            ) from error

    @contextlib.contextmanager
    def hold_lock(self) -> Iterator[None]:
        """Keep the directory to this process; the kernel lets go of it when the process dies.

        Raises: StateUnusable when another agent holds it.
        """
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context((self.path / "lock").open("a"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StateUnusable(f"another agent is using {self.path}") from error
            except OSError as error:
                raise StateUnusable(f"{self.path / 'lock'}: {error.strerror}") from error
            yield

    def read_identity(self) -> Identity | None:
        """The identity, or None before enrolment.

        Raises: StateUnusable when the file cannot be read or understood.
        """
        document = self.read_json("agent.json")
        if document is None:
            return None
        try:
            return Identity(**document)
        except TypeError as error:
            raise StateUnusable(f"{self.path / 'agent.json'} is no identity: {error}") from error

    def write_identity(self, identity: Identity) -> None:
        self.write_json("agent.json", asdict(identity))

    def raise_boot_counter(self, at_least: int) -> int:
        """A number no start of this agent ever had, at least `at_least`; on disk on return."""
        kept = self.read_json("boot.json") or {}
        boot_counter = max(int(kept.get("boot_counter", 0)) + 1, at_least)
        self.write_json("boot.json", {"boot_counter": boot_counter})
        return boot_counter

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A file's object, or None when there is none.

        Raises: StateUnusable when it cannot be read or is no JSON object.
        """
        try:
            document = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StateUnusable(f"{self.path / name}: {error}") from error
        if not isinstance(document, dict):
            raise StateUnusable(f"{self.path / name} holds no JSON object")
        return document

    def write_json(self, name: str, document: Mapping[str, Any]) -> None:
        """Replace a file so that a crash leaves the old or the new one, readable by the owner.

        Raises: StateUnusable when the disk refuses; the old file then stays.
        """
        try:
            _replace_file(self.path / name, json.dumps(document, indent=1))
        except OSError as error:
            raise StateUnusable(f"{self.path / name}: {error.strerror}") from error


def _replace_file(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
