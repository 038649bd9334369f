"""PostgreSQL's own programs for a copy of a database: pg_dump, pg_restore and psql."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.operations.errors import BackupError

ANONYMOUS = ("--no-owner", "--no-privileges")
EMPTY_SCHEMA = ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
# libpq's names of what Django's settings call otherwise.
VARIABLES = {
    "PGDATABASE": "NAME",
    "PGUSER": "USER",
    "PGPASSWORD": "PASSWORD",
    "PGHOST": "HOST",
    "PGPORT": "PORT",
}
SSL_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey")


def dump_database(target: Path) -> None:
    """Write the database as it is at one moment, in pg_dump's own compressed format.

    Raises: BackupError with what the program said.
    """
    run("pg_dump", "--format=custom", *ANONYMOUS, f"--file={target}")


def restore_database(dump: Path) -> None:
    """Replace everything in the schema `public` by what the dump holds, in one transaction.

    Raises: BackupError with what the programs said; nothing has then changed.
    """
    script = dump.with_name("script.sql")
    run("pg_restore", *ANONYMOUS, f"--file={script}", str(dump))
    emptying = [part for statement in EMPTY_SCHEMA for part in ("-c", statement)]
    options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1")
    run("psql", *options, *emptying, "-f", str(script))


def find_program(name: str) -> Path:
    """The program of the newest PostgreSQL, as only that copies servers of every version.

    Raises: BackupError saying what to install.
    """
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    found = newest or shutil.which(name)
    if found is None:
        raise BackupError(
            f"no {name} on this machine. Install PostgreSQL's client programs "
            "(Debian: apt-get install postgresql-client)."
        )
    return Path(found)


def run(name: str, *arguments: str) -> None:
    program = find_program(name)
    result = subprocess.run(
        [program, *arguments],
        env=describe_connection(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise BackupError(f"{name} failed: {result.stderr.strip()[-2000:]}")


def describe_connection() -> dict[str, str]:
    """The environment in which PostgreSQL's programs find the database; arguments can be read."""
    database = settings.DATABASES["default"]
    options: Any = database.get("OPTIONS", {})
    named = {variable: str(database.get(name) or "") for variable, name in VARIABLES.items()}
    named |= {f"PG{name.upper()}": str(options[name]) for name in SSL_OPTIONS if name in options}
    return {**os.environ, **{variable: text for variable, text in named.items() if text}}
