"""What the benchmark asks of a system, and how its programs are run and killed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks.peers.work import Address, Batch, Request, Send, send_http
from tests.servers.postgresql import describe_account, find_unprivileged_account
from tests.servers.waiting import wait_until

START_SECONDS = 120.0
STOP_SECONDS = 20.0


class System(Protocol):
    """A running system that takes frames."""

    @property
    def name(self) -> str: ...

    @property
    def is_stored_when_acknowledged(self) -> bool: ...

    @property
    def send(self) -> Send: ...

    @property
    def address(self) -> Address: ...

    def encode(self, batch: Batch) -> Request:
        """The batch as this system's request."""

    def list_programs(self) -> dict[str, int]:
        """The first process of each of its programs, the database's included."""

    def read_uncounted_seconds(self) -> float:
        """Processor seconds of its processes that only the benchmark's own questions cost."""

    def count_values(self, from_ms: int, until_ms: int) -> int:
        """How many values measured in that time can be seen now."""

    def is_seen(self, at_ms: int) -> bool:
        """Whether client 0's frame of exactly that moment can be seen, asked cheaply."""

    def measure_disk_bytes(self) -> int:
        """What it keeps on disk, without the write-ahead log of a PostgreSQL."""

    def kill9(self) -> None:
        """Kill all of it, the database included."""

    def restart(self) -> None:
        """Start what was killed, and return when it can be asked again."""


@dataclass(slots=True)
class Program:
    """A program of a package: unprivileged, in a folder of its own, gone with the benchmark."""

    argv: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Raises: RuntimeError with the log's end when the program gives up."""
        account: dict[str, Any] = describe_account(find_unprivileged_account())
        tie = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*tie, *self.argv],
                cwd=self.folder,
                env=dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                **account,
            )
        wait_until(self._is_ready, seconds=START_SECONDS, what=f"readiness of {self.argv[0]}")

    def kill9(self) -> None:
        root = psutil.Process(self.process.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill9()

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            text = self._log.read_text(errors="replace")
            raise RuntimeError(f"{self.argv[0]} ended early:\n{text[-3000:]}")
        return self.is_ready()


@dataclass(slots=True)
class LoneServer:
    """What systems of one program over HTTP have in common: its process and its folder are all."""

    program: Program
    store: Path
    port: int
    is_stored_when_acknowledged: bool = field(default=True, init=False)
    send: Send = field(default=send_http, init=False)

    def list_programs(self) -> dict[str, int]:
        return {"server": self.program.process.pid}

    def read_uncounted_seconds(self) -> float:
        return 0.0

    def measure_disk_bytes(self) -> int:
        return measure_folder_bytes(self.store)

    def kill9(self) -> None:
        self.program.kill9()

    def restart(self) -> None:
        self.program.start()


@contextmanager
def keep_running(program: Program) -> Iterator[None]:
    """The program, started, until the end of the block."""
    try:
        program.start()
        yield
    finally:
        program.stop()


def is_answering(ask: Callable[[], object]) -> bool:
    """Whether a question over HTTP gets a good answer by now."""
    try:
        ask()
    except OSError:
        return False
    return True


@contextmanager
def make_folder(name: str) -> Iterator[Path]:
    """A temporary folder that the unprivileged account may write to."""
    folder = Path(tempfile.mkdtemp(prefix=f"swarm-{name}-"))
    try:
        account = find_unprivileged_account()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
