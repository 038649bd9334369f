"""A backup has the files of the models in use, and a restored server answers by them."""

import sqlite3
import tarfile
from contextlib import closing
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import call_command

from apps.jobs.services import run_due_jobs
from apps.ml.errors import NoModel
from apps.ml.models import ModelVersion
from apps.ml.selectors.champions import SHELF, take_champion
from apps.ml.services import copies
from apps.ml.services.files import check_model_files
from apps.ml.services.trainings import start_training
from apps.ml.writers.model_files import locate_file
from apps.operations import backup
from apps.operations.backup import make_backup, restore_backup
from apps.operations.errors import BackupError
from tests.factories.learning import (
    EVERYTHING,
    KIND,
    SmallLearner,
    known_learner,
    make_version,
    read_model,
)
from tests.servers.stack import find_free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def champion(settings, tmp_path, monkeypatch):
    """A trained model, in a server whose database file is another one: its rows stay."""
    settings.VAR_DIR = tmp_path
    settings.ML_MODELS_DIR = tmp_path / "ml_models"
    settings.IS_SQLITE = True
    file = tmp_path / "streamswarm.sqlite3"
    monkeypatch.setattr(backup, "find_database_file", lambda: file)
    values = {**settings.ENVIRONMENT.values, "SWARM_PORT": find_free_port()}
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, values=values)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE note (value TEXT)")
        connection.commit()
    with known_learner(SmallLearner()):
        start_training(kind=KIND, scope=EVERYTHING)
        run_due_jobs("ml")
        yield ModelVersion.objects.get(state="champion")


def who_answers():
    SHELF.clear()
    return take_champion(KIND, EVERYTHING, build=read_model).version


def list_models(path):
    with tarfile.open(path) as archive:
        return [name for name in archive.getnames() if name.startswith("models/")]


def test_a_restored_server_answers_by_its_champions(champion, tmp_path):
    content = locate_file(champion.id).read_bytes()
    manifest = make_backup(tmp_path / "copy")
    assert (manifest.models, manifest.models_left_out) == (1, 0)
    locate_file(champion.id).unlink()
    with pytest.raises(NoModel):
        who_answers()
    assert restore_backup(tmp_path / "copy") == manifest
    assert locate_file(champion.id).read_bytes() == content
    assert locate_file(champion.id).stat().st_mode & 0o777 == 0o600
    assert who_answers() == champion


def test_only_models_in_use_are_copied_and_those_that_cannot_be_are_counted(champion, tmp_path):
    for number, state in enumerate(("retired", "candidate", "failed")):
        row = make_version(state=state, version=10 + number)
        locate_file(row.id).write_bytes(b"a file")
    make_version(state="shadow", version=20)
    manifest = make_backup(tmp_path / "copy")
    assert (manifest.models, manifest.models_left_out) == (1, 1)
    assert list_models(tmp_path / "copy") == [f"models/{champion.id}.npz"]
    said = StringIO()
    call_command("backup", str(tmp_path / "other"), stdout=said)
    assert "files of 1 models\n1 models in use are not in it" in said.getvalue()


def test_a_damaged_file_is_not_taken_for_a_model(champion, tmp_path):
    content = bytearray(locate_file(champion.id).read_bytes())
    content[-30] ^= 1
    locate_file(champion.id).write_bytes(content)
    manifest = make_backup(tmp_path / "copy")
    assert (manifest.models, manifest.models_left_out) == (0, 1)
    assert list_models(tmp_path / "copy") == []


def test_more_than_fits_is_left_out_and_said(champion, tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "MOST_COPIED_BYTES", champion.size_bytes - 1)
    manifest = make_backup(tmp_path / "copy")
    assert (manifest.models, manifest.models_left_out) == (0, 1)
    locate_file(champion.id).unlink()
    restore_backup(tmp_path / "copy")
    assert check_model_files() == 1
    champion.refresh_from_db()
    assert champion.state == "failed"


def repack(source, target, name, content):
    """The archive with one part more."""
    folder = target.with_suffix(".folder")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (folder / "part").write_bytes(content)
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            inside = str(path.relative_to(folder))
            archive.add(path, name if inside == "part" else inside)


@pytest.mark.parametrize("name", ["models/odd.npz", "models/.npz", "models/a"])
def test_a_part_that_is_no_file_of_a_model_is_refused_before_anything_changes(
    champion, tmp_path, name
):
    make_backup(tmp_path / "copy")
    before = (tmp_path / "streamswarm.sqlite3").read_bytes()
    repack(tmp_path / "copy", tmp_path / "odd", name, b"x")
    with pytest.raises(BackupError, match="damaged"):
        restore_backup(tmp_path / "odd")
    assert (tmp_path / "streamswarm.sqlite3").read_bytes() == before


@pytest.mark.parametrize("name", ["models/../evil", "../evil", "models/a/b.npz", "evil"])
def test_a_part_elsewhere_is_not_written(champion, tmp_path, name):
    make_backup(tmp_path / "copy")
    repack(tmp_path / "copy", tmp_path / "odd", name, b"x")
    restore_backup(tmp_path / "odd")
    assert list(tmp_path.parent.rglob("evil")) == []
    assert [path.name for path in (tmp_path / "ml_models").iterdir()] == [f"{champion.id}.npz"]


def test_another_model_under_the_name_of_a_champion_is_not_used(champion, tmp_path):
    make_backup(tmp_path / "copy")
    with known_learner(SmallLearner(seed=5)):
        training = start_training(kind=KIND, scope=EVERYTHING)
        run_due_jobs("ml")
    training.refresh_from_db()
    other = locate_file(training.result_id).read_bytes()
    locate_file(champion.id).unlink()
    with tarfile.open(tmp_path / "copy") as archive:
        archive.extractall(tmp_path / "parts", filter="data")
    (tmp_path / "parts" / "models" / f"{champion.id}.npz").write_bytes(other)
    with tarfile.open(tmp_path / "swapped", "w:gz") as archive:
        archive.add(tmp_path / "parts", "")
    restore_backup(tmp_path / "swapped")
    ModelVersion.objects.exclude(id=champion.id).delete()
    with pytest.raises(NoModel), known_learner(SmallLearner()):
        who_answers()
