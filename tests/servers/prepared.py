"""Databases that are migrated once in a run of tests and copied for each server.

The copies are what `manage.py migrate` and `sync_schedules` make of an empty database. All
processes of a run share them, and whoever needs one first makes it.
"""

import atexit
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER_NAME = "TESTS_PREPARED_FOLDER"
SQLITE_NAME = "streamswarm.sqlite3"
SETTING_PREFIXES = ("SWARM_", "DATABASE_URL", "REDIS_URL", "PYTEST_", "COV_CORE_")

PREPARE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("sync_schedules", verbosity=0)
"""


def share_folder() -> Path | None:
    """A new folder for this process and those it starts; None when one is shared already."""
    if FOLDER_NAME in os.environ:
        return None
    folder = Path(tempfile.mkdtemp(prefix="swarm-prepared-"))
    # What PostgreSQL's account makes here as well.
    folder.chmod(0o777)
    os.environ[FOLDER_NAME] = str(folder)
    return folder


@cache
def find_folder() -> Path:
    """The folder of the run; outside of pytest one that ends with this process."""
    own = share_folder()
    if own is not None:
        atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(os.environ[FOLDER_NAME])


@contextmanager
def hold(name: str) -> Iterator[None]:
    """One process at a time."""
    with (find_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare_once(name: str, prepare: Callable[[Path], None]) -> Path:
    """What `prepare` makes at the path it is given, made by whoever comes first."""
    finished = find_folder() / name
    with hold(name):
        if not finished.exists():
            draft = finished.with_name(f"{name}.draft")
            prepare(draft)
            draft.rename(finished)
    return finished


def prepare_database(var_dir: Path, database_url: str = "") -> None:
    """Makes all tables in an empty database; without a URL that is SQLite in the folder."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)
    }
    environment = {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "streamswarm.settings",
        "SWARM_ENV_FILE": os.devnull,
        "SWARM_VAR_DIR": str(var_dir),
        **({"DATABASE_URL": database_url} if database_url else {}),
    }
    run = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise RuntimeError(f"no database could be prepared:\n{run.stdout}{run.stderr}")


def make_sqlite() -> Path:
    """The prepared database, which is only to be copied."""

    def prepare(draft: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="swarm-") as folder:
            prepare_database(Path(folder))
            shutil.copyfile(Path(folder) / SQLITE_NAME, draft)

    return prepare_once(SQLITE_NAME, prepare)


def copy_sqlite(var_dir: Path) -> None:
    """Puts a prepared database where a server with this folder looks for it."""
    shutil.copyfile(make_sqlite(), var_dir / SQLITE_NAME)


def load_sqlite(connection: sqlite3.Connection) -> None:
    """Puts a prepared database into an empty one."""
    with closing(sqlite3.connect(f"file:{make_sqlite()}?mode=ro&immutable=1", uri=True)) as source:
        source.backup(connection)
