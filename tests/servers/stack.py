"""The real server as child processes: what `manage.py up` starts, in the hands of a test."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from apps.operations.local_agent import describe_agent, describe_enrolment, read_identity
from apps.operations.supervisor.child import Child, build_launch_argv, signal_group
from apps.operations.supervisor.programs import (
    Site,
    build_environment,
    describe_beat,
    describe_redis,
    describe_web,
    describe_worker,
)
from tests.servers.postgresql import PREPARED
from tests.servers.prepared import SETTING_PREFIXES, copy_sqlite
from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 90
STOP_SECONDS = 10
ISSUE_TOKEN = (
    "import django; django.setup()\n"
    "from apps.clients.services import issue_enrolment_token\n"
    "print(issue_enrolment_token(name={name!r})[1])"
)


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@dataclass(slots=True)
class RunningChild:
    """A child and its current process; a test may kill it and start it again."""

    child: Child
    log_path: Path
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def process_id(self) -> int:
        return self.process.pid

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                build_launch_argv(self.child),
                cwd=self.child.folder,
                env=dict(self.child.environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process.stdin.write(self.child.standard_input.encode())
        self.process.stdin.close()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Returns when the child's gate is open, at once when it has none."""
        if self.child.is_ready is not None:
            wait_until(self._is_ready, seconds=READY_SECONDS, what=f"{self.child.name}'s readiness")

    def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """Ends the process with the signal and what it started with SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        signal_group(self.process.pid, signal.SIGKILL)

    def read_log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.child.name} ended early:\n{self.read_log()[-4000:]}")
        return asyncio.run(self.child.is_ready())


@dataclass(slots=True)
class Stack:
    """A running server; `children` are redis, web, worker, beat and agent as far as asked for."""

    site: Site
    database_url: str
    children: dict[str, RunningChild] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return self.site.address

    @property
    def var_dir(self) -> Path:
        return self.site.var_dir

    @property
    def environment(self) -> dict[str, str]:
        """What a further program of this server needs, `manage.py` for one."""
        return dict(self.site.environment)

    def start(self, child: Child) -> RunningChild:
        """Starts `child` and waits for its gate; it ends with the stack."""
        running = RunningChild(child, self.var_dir / "log" / f"{child.name}.log")
        self.children[child.name] = running
        running.start()
        return running

    def kill9(self, name: str) -> None:
        self.children[name].stop(signal.SIGKILL)

    def restart(self, name: str) -> None:
        """Ends the child if it runs, starts it anew and waits for its gate."""
        self.children[name].stop()
        self.children[name].start()

    def manage(self, *arguments: str) -> str:
        """The output of a management command of this server."""
        return self.run_python("manage.py", *arguments)

    def issue_token(self, name: str = "test agent") -> str:
        return self.run_python("-c", ISSUE_TOKEN.format(name=name)).strip().splitlines()[-1]

    def run_python(self, *arguments: str) -> str:
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RuntimeError(f"{arguments} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def start_agent(self) -> RunningChild:
        """Enrols an agent, once for each stack, and starts it."""
        folder = self.var_dir / "agent"
        folder.mkdir(mode=0o700, exist_ok=True)
        if read_identity(folder) is None:
            enrolment = describe_enrolment(self.site, token=self.issue_token())
            running = self.start(replace(enrolment, name="enrolment"))
            running.process.wait(READY_SECONDS)
            if read_identity(folder) is None:
                raise RuntimeError(f"the agent could not enrol:\n{running.read_log()}")
        return self.start(describe_agent(self.site))

    def stop(self) -> None:
        """Ends all; only an agent may have something to put right before it goes."""
        for name, running in reversed(self.children.items()):
            running.stop(signal.SIGTERM if name == "agent" else signal.SIGKILL)


def build_site(database_url: str, folder: Path, settings: Mapping[str, str] | None = None) -> Site:
    """A site of its own port and folder; an empty URL means SQLite in the folder.

    `settings` are environment variables that differ from their defaults.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)
    }
    inherited |= settings or {}
    if database_url:
        inherited["DATABASE_URL"] = database_url
    port = find_free_port()
    environment = build_environment(inherited, var_dir=folder, host="127.0.0.1", port=port)
    return Site(
        root=ROOT,
        var_dir=folder,
        host="127.0.0.1",
        port=port,
        is_sqlite=not database_url,
        environment=environment,
    )


@contextmanager
def run_stack(
    database: Literal["sqlite", "postgresql"],
    *,
    postgresql=None,
    settings: Mapping[str, str] | None = None,
    with_web: bool = True,
    with_worker: bool = True,
    with_beat: bool = True,
    with_agent: bool = False,
) -> Iterator[Stack]:
    """A migrated, ready server; `postgresql` is the cluster of the fixture, for that database."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "log").mkdir()
        database_url = ""
        if database == "postgresql":
            database_url = postgresql.create_database(PREPARED)
        else:
            copy_sqlite(folder)
        stack = Stack(build_site(database_url, folder, settings), database_url)
        cleanup.callback(stack.stop)
        stack.start(describe_redis(stack.site))
        if with_web:
            stack.start(describe_web(stack.site))
        if with_worker:
            stack.start(describe_worker(stack.site))
        if with_beat:
            stack.start(describe_beat(stack.site))
        if with_agent:
            stack.start_agent()
        yield stack
