"""Backups: the whole database in one file, taken while the server works, restored when it rests.

With it go the files of the models in use; each is proven by the SHA-256 in its row.
"""

import hashlib
import json
import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from django.conf import settings
from django.db import connection

from apps.core.clock import format_moment, read_now
from apps.ml.models import ModelVersion
from apps.ml.services.copies import iterate_copies, list_copied, put_back
from apps.operations import postgresql_tools
from apps.operations.errors import BackupError
from apps.operations.supervisor.errors import CannotStartError
from apps.operations.supervisor.lock import check_address_is_free, is_locked
from apps.operations.supervisor.status import LOCK_NAME

FORMAT = 1
MANIFEST_NAME, DATABASE_NAME, KEY_NAME = "manifest.json", "database", "secret_key"
MODELS_FOLDER = "models"
CHUNK_BYTES = 1_048_576
PRIVATE_MODE = 0o600
OTHER_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself: whose it is, of when, and the digest of its database."""

    format: int
    server_version: str
    engine: str
    created_at: str
    size_bytes: int
    sha256: str
    # Files of models in use, and how many of them are not in it: damaged, or one too many.
    models: int = 0
    models_left_out: int = 0


def make_backup(target: Path) -> Manifest:
    """Write a backup of one consistent moment to a new file that only its owner can read.

    It holds the database, the files of the models in use (at most 1 GiB of them) and, where there
    is such a file, the secret key that opens what is sealed in it. The server may go on working.
    Raises: BackupError when the file exists already, or a program or the disk refuses.
    """
    if target.exists():
        raise BackupError(f"{target} exists already; a backup never replaces a file")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            dump = Path(folder) / DATABASE_NAME
            # One that is promoted meanwhile is in the list after, one that retires in that before.
            models = {one.id: one for one in list_copied()}
            copy_database(dump)
            models |= {one.id: one for one in list_copied()}
            manifest = copy_models(list(models.values()), Path(folder) / MODELS_FOLDER, dump)
            archive = Path(folder) / "archive"
            write_archive(archive, dump, manifest)
            archive.rename(target)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"no backup was made: {error}") from error
    return manifest


def copy_database(dump: Path) -> None:
    if not settings.IS_SQLITE:
        postgresql_tools.dump_database(dump)
        return
    source = sqlite3.connect(find_database_file(), timeout=60)
    with closing(source), closing(sqlite3.connect(dump)) as copy:
        source.backup(copy)


def find_database_file() -> Path:
    return Path(str(settings.DATABASES["default"]["NAME"]))


def describe_dump(dump: Path) -> Manifest:
    return Manifest(
        format=FORMAT,
        server_version=settings.SERVER_VERSION,
        engine=name_engine(),
        created_at=format_moment(read_now()),
        size_bytes=dump.stat().st_size,
        sha256=digest_file(dump),
    )


def copy_models(models: list[ModelVersion], folder: Path, dump: Path) -> Manifest:
    """What the backup says of itself; the files of these models now lie in the folder."""
    folder.mkdir()
    copied = left_out = 0
    for copy in iterate_copies(models):
        if copy.content is None:
            left_out += 1
        else:
            (folder / copy.name).write_bytes(copy.content)
            copied += 1
    return replace(describe_dump(dump), models=copied, models_left_out=left_out)


def name_engine() -> str:
    return "sqlite" if settings.IS_SQLITE else "postgresql"


def digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(archive: Path, dump: Path, manifest: Manifest) -> None:
    text = dump.with_name(MANIFEST_NAME)
    text.write_text(json.dumps(asdict(manifest), indent=1))
    key = settings.VAR_DIR / KEY_NAME
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as parts:
            parts.add(text, MANIFEST_NAME)
            parts.add(dump, DATABASE_NAME)
            if key.exists():
                parts.add(key, KEY_NAME)
            for file_of_model in sorted((dump.parent / MODELS_FOLDER).iterdir()):
                parts.add(file_of_model, f"{MODELS_FOLDER}/{file_of_model.name}")
        file.flush()
        os.fsync(file.fileno())


def restore_backup(source: Path) -> Manifest:
    """Put the backup's database in the place of the present one; the server must not be running.

    Its models' files are put back beside those that are there.

    A replaced SQLite file stays beside the new one as `*.replaced`. On PostgreSQL everything is one
    transaction. Agents and schedules go on from there by themselves: what was measured after the
    backup and had been taken over by the server is gone, what agents still hold arrives.
    Raises: BackupError, with nothing changed, when the server runs, or the file is damaged, of the
    other database system or of a newer server.
    """
    check_is_stopped()
    folder = settings.VAR_DIR
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as name:
            manifest = extract(source, Path(name))
            check_manifest(manifest, Path(name) / DATABASE_NAME)
            # Before the rows that name them: files that no row knows do no harm.
            restore_models(Path(name) / MODELS_FOLDER)
            replace_database(Path(name) / DATABASE_NAME)
            restore_key(Path(name) / KEY_NAME)
    except (OSError, sqlite3.Error, tarfile.TarError, EOFError) as error:
        raise BackupError(f"{source} was not restored: {error}") from error
    return manifest


def check_is_stopped() -> None:
    environment = settings.ENVIRONMENT
    host, port = environment.text("SWARM_HOST"), int(environment.number("SWARM_PORT"))
    if is_locked(settings.VAR_DIR / LOCK_NAME):
        raise BackupError("StreamSwarm is running; stop it first")
    try:
        check_address_is_free(host, port)
    except CannotStartError as error:
        raise BackupError(f"StreamSwarm seems to be running; stop it first: {error}") from error
    if settings.IS_SQLITE:
        return
    with connection.cursor() as cursor:
        cursor.execute(OTHER_SESSIONS)
        (sessions,) = cursor.fetchone()
    if sessions:
        raise BackupError(f"{sessions} other sessions use the database; stop all programs first")


def extract(source: Path, folder: Path) -> Manifest:
    """The manifest of an archive whose known parts now lie in the folder; others are ignored."""
    (folder / MODELS_FOLDER).mkdir()
    with tarfile.open(source, "r:gz") as parts:
        for part in parts:
            if part.isfile() and is_known_part(part.name):
                content = parts.extractfile(part)
                with (folder / part.name).open("wb") as file:
                    while content is not None and (piece := content.read(CHUNK_BYTES)):
                        file.write(piece)
    try:
        return Manifest(**json.loads((folder / MANIFEST_NAME).read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise BackupError(f"{source} is no backup of StreamSwarm: {error}") from error


def is_known_part(name: str) -> bool:
    """Whether it is one of ours; a file of a model has a plain name in its folder."""
    folder, _slash, file = name.rpartition("/")
    is_model = folder == MODELS_FOLDER and file not in {"", ".", ".."}
    return is_model or name in {MANIFEST_NAME, DATABASE_NAME, KEY_NAME}


def check_manifest(manifest: Manifest, dump: Path) -> None:
    if manifest.format != FORMAT:
        raise BackupError(f"the backup has format {manifest.format}, this server reads {FORMAT}")
    if manifest.engine != name_engine():
        raise BackupError(f"the backup is of {manifest.engine}, this server uses {name_engine()}")
    if read_version(manifest.server_version) > read_version(settings.SERVER_VERSION):
        raise BackupError(
            f"the backup is of server {manifest.server_version}, newer than this one"
            f" ({settings.SERVER_VERSION})"
        )
    if not dump.exists() or digest_file(dump) != manifest.sha256:
        raise BackupError("the backup is damaged: its database does not have the digest it states")


def read_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def replace_database(dump: Path) -> None:
    connection.close()
    if not settings.IS_SQLITE:
        postgresql_tools.restore_database(dump)
        return
    present = find_database_file()
    if present.exists():
        collect_log(present)
        present.replace(present.with_name(f"{present.name}.replaced"))
    for suffix in ("-wal", "-shm"):
        present.with_name(present.name + suffix).unlink(missing_ok=True)
    dump.chmod(PRIVATE_MODE)
    dump.replace(present)


def collect_log(database: Path) -> None:
    """Moves what the write-ahead log holds into the file, so that the file alone is all of it."""
    with closing(sqlite3.connect(database, timeout=10)) as present:
        present.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def restore_key(key: Path) -> None:
    if key.exists() and not settings.ENVIRONMENT.text("SWARM_SECRET_KEY"):
        key.chmod(PRIVATE_MODE)
        key.replace(settings.VAR_DIR / KEY_NAME)


def restore_models(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        try:
            put_back(path.name, path.read_bytes())
        except ValueError as error:
            raise BackupError(f"the backup is damaged: {error}") from error
