"""Which model answers, and what happens when its file is not what it was."""

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.jobs.models import Job
from apps.jobs.services import run_due_jobs
from apps.ml.algorithms.containers import digest, pack
from apps.ml.algorithms.scopes import Scope
from apps.ml.errors import BadModelFile, NoModel
from apps.ml.models import ModelVersion
from apps.ml.selectors.champions import SHELF, take_champion
from apps.ml.selectors.registry import find_champion
from apps.ml.services.files import check_model_files, forget_models
from apps.ml.services.registry import promote_model, retire_model, roll_back_model
from apps.ml.services.reviewing import ask_for_review, review_model
from apps.ml.services.trainings import start_training
from apps.ml.writers.model_files import locate_file, write_file
from tests.factories.learning import (
    EVERYTHING,
    FEATURES,
    KIND,
    SmallLearner,
    draw_rows,
    known_learner,
    make_version,
    read_model,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def learner():
    with known_learner(SmallLearner()) as known:
        yield known


def train():
    training = start_training(kind=KIND, scope=EVERYTHING)
    run_due_jobs("ml")
    training.refresh_from_db()
    return training.result


def train_two():
    """A champion and the one before it."""
    first, second = train(), train()
    promote_model(version=second)
    return first, second


def take(**options):
    return take_champion(KIND, EVERYTHING, build=read_model, **options)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def grow(path):
    path.write_bytes(path.read_bytes() + b"more")


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path):
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


SPOILS = [flip, cut, grow, replace_by_pipe, replace_by_link, os.unlink]


def test_without_a_model_there_is_none_rather_than_a_figure():
    with pytest.raises(NoModel, match="Nothing was learned"):
        take()


def test_a_model_is_read_once_and_then_costs_one_query(learner):
    train()
    first = take()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert take().model is first.model
    assert len(queries) == 1


def test_a_model_of_other_features_is_not_asked(learner):
    train()
    with pytest.raises(NoModel, match="other features"):
        take(features=(*FEATURES, "more"))


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_bad_file_is_refused_once_in_the_log_and_the_last_good_champion_answers(
    learner, spoil, caplog
):
    first, second = train_two()
    spoil(locate_file(second.id))
    for _number in range(3):
        assert take().version == first
    refused = [line for line in caplog.messages if "model_file_refused" in line]
    assert len(refused) == 1


def test_without_any_good_file_the_rules_take_over(learner):
    for version in train_two():
        flip(locate_file(version.id))
    with pytest.raises(NoModel, match="no earlier one is good"):
        take()


def test_a_file_that_fits_its_row_but_is_no_such_model_is_refused(learner):
    version = train()
    content = pack(
        {"weights": draw_rows(1).values}, {"features": list(FEATURES), "calibration": {}}
    )
    write_file(version.id, content)
    ModelVersion.objects.update(digest=digest(content), size_bytes=len(content))
    with pytest.raises(NoModel):
        take()


@pytest.mark.parametrize("spoil", SPOILS)
def test_the_check_writes_down_what_failed_and_promotes_the_last_good_one(learner, spoil):
    first, second = train_two()
    spoil(locate_file(second.id))
    assert check_model_files() == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("champion", "failed")
    assert second.decision.startswith("The file of the model is refused")
    assert first.decision == "Version 2 failed; this was the last good one."
    assert check_model_files() == 0
    assert [one.action for one in AuditEntry.objects.order_by("-id")[:2]] == ["restore", "fail"]


def test_the_check_leaves_nobody_when_no_file_is_good(learner):
    versions = train_two()
    for version in versions:
        cut(locate_file(version.id))
    check_model_files()
    assert find_champion(KIND, "all") is None
    assert set(ModelVersion.objects.values_list("state", flat=True)) == {"failed"}


def test_a_roll_back_is_one_step_and_can_be_taken_back(learner):
    first, second = train_two()
    assert take().version == second
    assert roll_back_model(champion=second) == first
    assert take().version == first
    assert roll_back_model(champion=first) == second
    entry = AuditEntry.objects.order_by("-id").first()
    assert (entry.action, entry.before["champion"], entry.after["champion"]) == ("roll back", 1, 2)


def test_what_cannot_be_done_is_said(learner):
    champion = train()
    with pytest.raises(Conflict, match="champion already"):
        promote_model(version=champion)
    with pytest.raises(Conflict, match="no earlier"):
        roll_back_model(champion=champion)
    with pytest.raises(Conflict, match="Only the champion"):
        roll_back_model(champion=make_version())
    retire_model(version=champion)
    with pytest.raises(Conflict, match="not in use"):
        retire_model(version=champion)
    with pytest.raises(NoModel):
        take()
    gone = make_version()
    gone.delete()
    with pytest.raises(NotFound):
        retire_model(version=gone)


def test_a_version_with_a_bad_file_is_not_promoted_nor_rolled_back_to(learner):
    first, second = train_two()
    flip(locate_file(first.id))
    for refused in (
        lambda: promote_model(version=first),
        lambda: roll_back_model(champion=second),
    ):
        with pytest.raises(BadModelFile, match="SHA-256"):
            refused()
    assert find_champion(KIND, "all") == second


def test_a_review_finds_drift_in_rows_since_the_training(learner):
    learner.rows = draw_rows(800)
    champion = train()
    later = draw_rows(600, until=read_now() + timedelta(hours=11), seed=3, shift=3.0)
    learner.collect = lambda _scope, _until: later
    ask_for_review()
    ask_for_review()
    run_due_jobs("ml")
    assert Job.objects.get(kind="review_models").state == "done"
    champion.refresh_from_db()
    assert champion.drift["is_drifted"]
    assert champion.drift["indices"].keys() == set(FEATURES)
    assert champion.reviewed_at is not None
    ask_for_review()
    assert Job.objects.filter(kind="review_models").count() == 1


def test_a_review_of_few_new_rows_only_notes_its_time(learner):
    champion = train()
    learner.collect = lambda _scope, _until: draw_rows(5, until=read_now() + timedelta(hours=1))
    review_model(champion)
    champion.refresh_from_db()
    assert (champion.drift, champion.defeats, champion.reviewed_at is None) == ({}, 0, False)


def test_three_reviews_lost_to_the_baseline_retire_a_champion(learner):
    champion = train()
    unusual = draw_rows(60, until=read_now() + timedelta(hours=2), shift=40.0, odd=0)
    learner.collect = lambda _scope, _until: unusual
    for _number in range(3):
        review_model(champion)
        champion.refresh_from_db()
    assert (champion.state, champion.defeats) == ("retired", 3)


def test_a_shadow_that_proves_better_takes_over(learner):
    learner.noise = 0.2
    champion = train()
    learner.noise = 0.0
    shadow = train()
    promote_model(version=champion) if shadow.state == "champion" else None
    ModelVersion.objects.filter(id=shadow.id).update(state="shadow")
    later = draw_rows(400, until=read_now() + timedelta(hours=8), seed=5)
    learner.collect = lambda _scope, _until: later
    champion.refresh_from_db()
    review_model(champion)
    shadow.refresh_from_db()
    champion.refresh_from_db()
    assert (shadow.state, champion.state) == ("champion", "retired")
    assert shadow.decision.startswith("Better than the champion")


def test_old_versions_and_files_that_no_row_knows_are_removed(learner, model_folder):
    champion = train()
    for number in range(13):
        version = make_version(version=number + 2)
        write_file(version.id, b"x")
    write_file(make_version(version=40, scope="kind:ping").id, b"x")
    recent = model_folder / "recent.part"
    recent.write_bytes(b"half")
    notes = model_folder / "notes.txt"
    notes.write_text("somebody else's")
    for path in model_folder.iterdir():
        if path != recent:
            os.utime(path, (0, 0))
    assert forget_models() == 3
    left = {path.name for path in model_folder.iterdir()}
    assert len(left) == 1 + 10 + 1 + 2
    assert {recent.name, notes.name, locate_file(champion.id).name} <= left
    assert forget_models() == 0


def test_models_of_different_scopes_do_not_meet(learner):
    train()
    with pytest.raises(NoModel):
        take_champion(KIND, Scope("kind", "ping"), build=read_model)
    SHELF.clear()
