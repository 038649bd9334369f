"""A PostgreSQL cluster of its own that may be killed, and started again as a service would be."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import psutil
import psycopg2

from tests.servers.postgresql import (
    START_SECONDS,
    STOP_SECONDS,
    Cluster,
    describe_account,
    find_unprivileged_account,
    start_cluster,
)
from tests.servers.waiting import wait_until

CUT_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


@dataclass(slots=True)
class KillableCluster:
    cluster: Cluster
    process: subprocess.Popen[bytes]

    def kill9(self) -> None:
        """Kills the server with all its processes, so that nothing can be written any more."""
        root = psutil.Process(self.process.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Stops every process, as a host that hangs: connections stay, answers do not come."""
        root = psutil.Process(self.process.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        root = psutil.Process(self.process.pid)
        for process in (*root.children(recursive=True), root):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)

    def cut_sessions(self) -> None:
        """Ends every session from the server's side, as an administrator or a fail-over does."""
        with closing(psycopg2.connect(self.cluster.build_url("postgres"))) as connection:
            connection.cursor().execute(CUT_SESSIONS)

    def start(self) -> None:
        """Starts the server on what the dead one left; returns when it has recovered."""
        folder = self.cluster.folder
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.process.args,
                cwd=folder,
                env={"PATH": os.environ["PATH"]},
                stdout=log,
                stderr=subprocess.STDOUT,
                **describe_account(find_unprivileged_account()),
            )
        wait_until(self.is_ready, seconds=START_SECONDS, what="PostgreSQL's recovery")

    def is_ready(self) -> bool:
        check = [self.cluster.binaries / "pg_isready", "-q", "-h", self.cluster.folder]
        return subprocess.run(check, check=False).returncode == 0

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.thaw()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(STOP_SECONDS)
        self.cluster.stop()


@contextmanager
def run_killable_cluster() -> Iterator[KillableCluster]:
    """A cluster that nobody else uses."""
    cluster = start_cluster()
    killable = KillableCluster(cluster, cluster.process)
    try:
        yield killable
    finally:
        killable.stop()
