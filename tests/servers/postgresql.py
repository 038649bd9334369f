"""A PostgreSQL cluster of the tests' own: a temporary folder, a unix socket, fsync on."""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.servers.waiting import wait_until

USER = "streamswarm"
START_SECONDS = 60
STOP_SECONDS = 30
INSTALL_LINE = "apt-get install -y --no-install-recommends postgresql"
MISSING = f"no PostgreSQL server programs on this machine (Debian: {INSTALL_LINE})"
_database_numbers = count(1)


class PostgresqlMissingError(RuntimeError):
    pass


def find_binaries():
    """The folder of the newest initdb and postgres; None when there are none."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    if newest is not None:
        return newest.parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def find_unprivileged_account():
    """Whom the server runs as, because it refuses root; None for a process that is not root."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name: account for account in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def describe_account(account):
    """The arguments with which `subprocess` drops to the account."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server; `process` is None in a process that did not start it."""

    folder: Path
    binaries: Path
    process: subprocess.Popen[bytes] | None = None

    def build_url(self, database):
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def create_database(self):
        """The URL of a new, empty database."""
        name = f"{USER}_{os.getpid()}_{next(_database_numbers)}"
        run_tool(self, "createdb", name)
        return self.build_url(name)

    def is_ready(self):
        check = [self.binaries / "pg_isready", "-q", "-h", self.folder]
        return self.process.poll() is None and subprocess.run(check, check=False).returncode == 0

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def run_tool(cluster, name, *arguments):
    argv = [cluster.binaries / name, "-h", cluster.folder, "-U", USER, *arguments]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def join_cluster(folder):
    """The cluster that another process of the same run started there."""
    return Cluster(folder=folder, binaries=find_binaries())


def start_cluster():
    """A new cluster. A fast shutdown follows SIGINT, also when the process that started it dies.

    Raises: PostgresqlMissingError when there are no server programs.
    """
    binaries = find_binaries()
    if binaries is None:
        raise PostgresqlMissingError(MISSING)
    account = find_unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="swarm-pg-"))
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    storage = folder / "storage"
    options = {"cwd": folder, "env": {"PATH": os.environ["PATH"]}, **describe_account(account)}
    create = [binaries / "initdb", "-D", storage, "-U", USER, "-A", "trust", "-E", "UTF8"]
    subprocess.run([*create, "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, **options)
    settings = {"listen_addresses": "", "unix_socket_directories": folder, "max_connections": 300}
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    tie = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*tie, binaries / "postgres", "-D", storage, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            **options,
        )
    cluster = Cluster(folder=folder, binaries=binaries, process=process)
    wait_until(cluster.is_ready, seconds=START_SECONDS, what="the PostgreSQL server's readiness")
    return cluster
