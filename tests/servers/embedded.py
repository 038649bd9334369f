"""`manage.py up` itself as a child process, with a port and a var folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from apps.operations.supervisor.status import ChildState, SupervisorStatus, read_status
from tests.servers.prepared import copy_sqlite
from tests.servers.stack import ROOT, build_site, find_free_port
from tests.servers.waiting import is_process_alive, wait_until

READY_SECONDS = 120
READY_LINE = "StreamSwarm is ready at"


@dataclass(slots=True)
class Embedded:
    """One var folder; `start` may be called again after the process has ended."""

    var_dir: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['SWARM_PORT']}"

    def start(self) -> None:
        """Returns when everything runs."""
        seen = self.read_screen().count(READY_LINE)
        with self.screen_path.open("ab") as screen:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(
            lambda: self.process.poll() is not None or self.read_screen().count(READY_LINE) > seen,
            seconds=READY_SECONDS,
            what="manage.py up",
        )
        if self.process.poll() is not None:
            raise RuntimeError(f"manage.py up ended early:\n{self.read_screen()[-4000:]}")

    @property
    def screen_path(self) -> Path:
        return self.var_dir.with_name("screen")

    def read_screen(self) -> str:
        path = self.screen_path
        return path.read_text(errors="replace") if path.exists() else ""

    def read_status(self) -> SupervisorStatus:
        status = read_status(self.var_dir)
        if status is None:
            raise RuntimeError("the supervisor left no status")
        return status

    def find_process_id(self, name: str) -> int:
        """The process of a running child."""

        def is_running() -> bool:
            child = self._find_child(name)
            return child.state == ChildState.RUNNING and child.process_id is not None

        wait_until(is_running, seconds=READY_SECONDS, what=f"{name}'s start")
        return self._find_child(name).process_id

    def kill9(self, name: str) -> None:
        """Kills a child; the supervisor starts it again by itself."""
        os.kill(self.find_process_id(name), signal.SIGKILL)

    def list_process_ids(self) -> list[int]:
        return [child.process_id for child in self.read_status().children if child.process_id]

    def stop(self, signal_number: int = signal.SIGINT, *, seconds: float = 10) -> int:
        """The exit code.

        Raises: TimeoutExpired when it takes longer.
        """
        self.process.send_signal(signal_number)
        return self.process.wait(seconds)

    def _find_child(self, name: str):
        return next(child for child in self.read_status().children if child.name == name)


@contextmanager
def run_embedded(
    *,
    database_url: str = "",
    admin_password: str = "",
    settings: Mapping[str, str] | None = None,
    makes_tables: bool = False,
) -> Iterator[Embedded]:
    """A started server of one machine with its own agent and its starter tests.

    On SQLite it finds its tables there, unless it is to make them as a first start does.
    """
    folder = Path(tempfile.mkdtemp(prefix="swarm-"))
    (folder / "var").mkdir(mode=0o700)
    if not database_url and not makes_tables:
        copy_sqlite(folder / "var")
    site = build_site(database_url, folder / "var", settings)
    environment = {**site.environment, "SWARM_PORT": str(find_free_port())}
    if admin_password:
        environment["SWARM_ADMIN_PASSWORD"] = admin_password
    embedded = Embedded(folder / "var", environment)
    process_ids: list[int] = []
    try:
        embedded.start()
        yield embedded
    finally:
        process_ids = embedded.list_process_ids()
        if embedded.process.poll() is None:
            embedded.process.kill()
        embedded.process.wait()
        wait_until(
            lambda: not any(map(is_process_alive, process_ids)),
            seconds=10,
            what="the end of all children",
        )
        shutil.rmtree(folder, ignore_errors=True)
