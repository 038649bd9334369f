import json
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import replace

import pytest

from apps.operations import backup
from apps.operations.backup import make_backup, restore_backup
from apps.operations.errors import BackupError
from tests.servers.stack import find_free_port


@pytest.fixture
def database(settings, tmp_path, monkeypatch):
    """A database of its own in a var folder of its own, with one row."""
    settings.VAR_DIR = tmp_path
    settings.IS_SQLITE = True
    file = tmp_path / "streamswarm.sqlite3"
    monkeypatch.setattr(backup, "find_database_file", lambda: file)
    # Of models there is a test of its own.
    monkeypatch.setattr(backup, "list_copied", list)
    values = {**settings.ENVIRONMENT.values, "SWARM_PORT": find_free_port()}
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, values=values)
    write_value(file, "first")
    (tmp_path / "secret_key").write_text("the first key")
    return file


def write_value(file, value):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (value TEXT)")
        connection.execute("DELETE FROM note")
        connection.execute("INSERT INTO note VALUES (?)", [value])
        connection.commit()


def read_value(file):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT value FROM note").fetchone()[0]


def test_a_backup_brings_back_the_state_of_its_moment_and_the_key(database, tmp_path):
    target = tmp_path / "copy.backup"
    manifest = make_backup(target)
    write_value(database, "second")
    (tmp_path / "secret_key").write_text("another key")
    assert restore_backup(target) == manifest
    assert read_value(database) == "first"
    assert (tmp_path / "secret_key").read_text() == "the first key"
    assert read_value(tmp_path / "streamswarm.sqlite3.replaced") == "second"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_backup_never_replaces_a_file(database, tmp_path):
    target = tmp_path / "copy.backup"
    target.write_text("something else")
    with pytest.raises(BackupError, match="exists already"):
        make_backup(target)
    assert target.read_text() == "something else"


def test_a_running_server_is_not_restored_over(database, tmp_path, monkeypatch):
    target = tmp_path / "copy.backup"
    make_backup(target)
    write_value(database, "second")
    monkeypatch.setattr(backup, "is_locked", lambda _path: True)
    with pytest.raises(BackupError, match="stop it first"):
        restore_backup(target)
    assert read_value(database) == "second"


def repack(source, target, **parts):
    """The archive again with other contents in some of its parts."""
    folder = target.with_suffix(".folder")
    folder.mkdir()
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    for name, content in parts.items():
        (folder / name.replace("manifest", "manifest.json")).write_bytes(content)
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)


def test_a_damaged_backup_changes_nothing(database, tmp_path):
    make_backup(tmp_path / "copy.backup")
    repack(tmp_path / "copy.backup", tmp_path / "damaged", database=b"SQLite format 3\x00")
    write_value(database, "second")
    with pytest.raises(BackupError, match="damaged"):
        restore_backup(tmp_path / "damaged")
    (tmp_path / "nothing").write_bytes(b"no archive")
    with pytest.raises(BackupError, match="not restored"):
        restore_backup(tmp_path / "nothing")
    assert read_value(database) == "second"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 99}, "format 99"),
        ({"engine": "postgresql"}, "is of postgresql"),
        ({"server_version": "99.0.0"}, "newer than this one"),
    ],
)
def test_a_foreign_backup_is_refused_with_the_reason(database, tmp_path, change, reason):
    target = tmp_path / "copy.backup"
    make_backup(target)
    with tarfile.open(target) as archive:
        document = json.load(archive.extractfile("manifest.json"))
    repack(target, tmp_path / "foreign", manifest=json.dumps({**document, **change}).encode())
    with pytest.raises(BackupError, match=reason):
        restore_backup(tmp_path / "foreign")
    assert read_value(database) == "first"
