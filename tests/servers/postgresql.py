"""PostgreSQL clusters of the tests' own: a temporary folder, a unix socket, a migrated database.

Each is a copy of one that was made once in a run of tests (tests/servers/prepared.py).
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.servers.prepared import prepare_database, prepare_once
from tests.servers.waiting import wait_until

USER = "streamswarm"
# Of every cluster; what a server's database is copied from.
PREPARED = "prepared"
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

    def create_database(self, template="template1"):
        """The URL of a new database, an empty one or a copy of `PREPARED`."""
        name = f"{USER}_{os.getpid()}_{next(_database_numbers)}"
        run_tool(self, "createdb", "--template", template, name)
        return self.build_url(name)

    def is_ready(self):
        check = [self.binaries / "pg_isready", "-q", "-h", self.folder]
        return self.process.poll() is None and subprocess.run(check, check=False).returncode == 0

    def end(self):
        """Ends the server and leaves its files."""
        # The end that waits for nobody's session.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def stop(self):
        if self.process is not None:
            self.end()
            shutil.rmtree(self.folder, ignore_errors=True)


def run_tool(cluster, name, *arguments):
    argv = [cluster.binaries / name, "-h", cluster.folder, "-U", USER, *arguments]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def join_cluster(folder):
    """The cluster that another process of the same run started there."""
    return Cluster(folder=folder, binaries=find_binaries())


def start_cluster(*, is_durable=True):
    """A new cluster. A fast shutdown follows SIGINT, also when the process that started it dies.

    `is_durable` waits for the disk at each commit, as every server in use does.
    Raises: PostgresqlMissingError when there are no server programs.
    """
    binaries = find_binaries()
    if binaries is None:
        raise PostgresqlMissingError(MISSING)
    folder = make_folder(Path(tempfile.gettempdir()))
    origin = prepare_once("storage", make_storage)
    subprocess.run(["cp", "-a", origin, folder / "storage"], check=True)
    return launch(folder, folder / "storage", is_durable=is_durable)


def make_folder(parent):
    """A new folder there of the account that the server runs as."""
    folder = Path(tempfile.mkdtemp(prefix="swarm-pg-", dir=parent))
    account = find_unprivileged_account()
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def launch(folder, storage, *, is_durable):
    """A server on that storage, once it is ready."""
    binaries = find_binaries()
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "max_connections": 300,
        "fsync": "on" if is_durable else "off",
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    tie = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*tie, binaries / "postgres", "-D", storage, *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            **describe_options(folder),
        )
    cluster = Cluster(folder=folder, binaries=binaries, process=process)
    wait_until(cluster.is_ready, seconds=START_SECONDS, what="the PostgreSQL server's readiness")
    return cluster


def describe_options(folder):
    account = describe_account(find_unprivileged_account())
    return {"cwd": folder, "env": {"PATH": os.environ["PATH"]}, **account}


def make_storage(path):
    """The files of a cluster that was shut down, with the database to copy from."""
    folder = make_folder(path.parent)
    storage = folder / "storage"
    create = [find_binaries() / "initdb", "-D", storage, "-U", USER, "-A", "trust", "-E", "UTF8"]
    subprocess.run(
        [*create, "--no-sync", "--locale=C.UTF-8"],
        check=True,
        stdout=subprocess.DEVNULL,
        **describe_options(folder),
    )
    cluster = launch(folder, storage, is_durable=False)
    try:
        run_tool(cluster, "createdb", PREPARED)
        with tempfile.TemporaryDirectory(prefix="swarm-") as var_dir:
            prepare_database(Path(var_dir), cluster.build_url(PREPARED))
    finally:
        cluster.end()
    storage.rename(path)
    shutil.rmtree(folder)
