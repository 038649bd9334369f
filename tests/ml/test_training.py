"""Learning from beginning to end: what becomes of a training, and of the champion meanwhile."""

import threading
from datetime import timedelta

import numpy as np
import pytest

from apps.accounts.actors import Actor, act_as
from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import Invalid
from apps.jobs.errors import JobLost
from apps.jobs.models import Job
from apps.jobs.services import discard_job, run_due_jobs
from apps.ml.algorithms.gate import Evaluation
from apps.ml.algorithms.scopes import Scope
from apps.ml.algorithms.triggers import Trigger
from apps.ml.errors import NoModel, StillLearning
from apps.ml.models import ModelVersion, Training
from apps.ml.selectors.champions import SHELF, take_champion
from apps.ml.selectors.registry import find_champion
from apps.ml.services import training as training_service
from apps.ml.services.standings import list_standings, train_due_models
from apps.ml.services.trainings import begin_training, settle_trainings, start_training
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.learning import (
    EVERYTHING,
    FEATURES,
    KIND,
    SmallLearner,
    draw_rows,
    known_learner,
    read_model,
)
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def learner():
    with known_learner(SmallLearner()) as known:
        yield known


def train(scope=EVERYTHING, **options):
    """A training from the wish to its end, by the worker's code."""
    training = start_training(kind=KIND, scope=scope, **options)
    run_due_jobs("ml")
    training.refresh_from_db()
    return training


def age(training):
    """As if the training had been asked for days ago."""
    Training.objects.filter(id=training.id).update(created_at=read_now() - timedelta(days=2))


def test_a_first_model_that_beats_the_baseline_becomes_champion(learner, model_folder):
    ann = make_user("ann", "admin")
    with act_as(Actor(label="ann", via="api", user=ann)):
        training = train()
    version = training.result
    assert (training.state, training.attempts) == ("done", 1)
    assert training.decision.startswith("There is no champion, and it is better than the baseline")
    assert (version.state, version.version, version.is_provisional) == ("champion", 1, False)
    assert (version.row_count, version.held_count, version.agent_count) == (238, 60, 3)
    assert version.data_until < version.held_from
    assert version.features == list(FEATURES)
    assert version.metrics["loss"]["value"] < version.metrics["baseline"]["value"]
    assert version.metrics["margin"]["low"] > 0
    assert version.trained_by == ann
    assert [path.name for path in model_folder.iterdir()] == [f"{version.id}.npz"]
    actions = list(AuditEntry.objects.order_by("id").values_list("action", "actor_label"))
    assert actions[-2:] == [("train", "ann"), ("promote", "ann")]


def test_what_is_served_is_what_was_trained(learner):
    version = train().result
    champion = take_champion(KIND, EVERYTHING, build=read_model, features=FEATURES)
    assert champion.version == version
    held = learner.rows.take(learner.rows.at >= version.held_from.timestamp())
    again = learner.evaluate(champion.artifact, held)
    assert again.losses.mean() == pytest.approx(version.metrics["loss"]["value"])


def test_the_same_training_gives_the_same_file(learner, monkeypatch):
    learner.seed = None
    first = train().result
    monkeypatch.setattr(training_service, "draw_seed", lambda _training: first.seed)
    again = train().result
    assert (again.digest, again.id != first.id) == (first.digest, True)
    assert again.state == "shadow"


def test_too_few_rows_are_still_learning_and_some_train_provisionally():
    few = known_learner(SmallLearner(draw_rows(49)))
    with few, pytest.raises(StillLearning, match="learning 49/50"):
        start_training(kind=KIND, scope=EVERYTHING)
    with known_learner(SmallLearner(draw_rows(60, odd=0.2))):
        version = train().result
    assert (version.state, version.is_provisional) == ("champion", True)
    assert "provisional" in version.decision


def test_rows_that_went_meanwhile_end_the_training_in_words():
    with known_learner(SmallLearner(draw_rows(60))) as learner:
        training = start_training(kind=KIND, scope=EVERYTHING)
        learner.rows = draw_rows(10)
        run_due_jobs("ml")
    training.refresh_from_db()
    assert (training.state, training.decision) == ("failed", "learning 10/50")
    assert Job.objects.get(id=training.job_id).state == "dead"


def test_what_nobody_learns_is_refused(learner):
    with pytest.raises(Invalid, match="odd_rows"):
        start_training(kind="fortune", scope=EVERYTHING)


def test_a_challenger_needs_more_than_chance(learner):
    champion = train().result
    second = train().result
    assert (second.state, second.parent) == ("shadow", champion)
    assert "beyond chance" in second.decision
    assert "learned from" not in second.decision
    assert find_champion(KIND, "all") == champion


def test_a_better_challenger_takes_over_and_a_worse_one_does_not():
    with known_learner(SmallLearner(noise=0.0)) as learner:
        learner.noise = 0.03
        learner.rows = draw_rows(1500)
        poor = train().result
        learner.noise = 0.0
        good = train().result
        poor.refresh_from_db()
        assert (good.state, poor.state) == ("champion", "retired")
        assert good.decision.startswith("Better than the champion")
        learner.noise = 0.05
        worse = train().result
    assert (worse.state, find_champion(KIND, "all")) == ("candidate", good)
    assert worse.decision.startswith(("Worse than the champion", "It calls"))


def test_a_challenger_is_judged_by_rows_that_the_champion_has_not_seen(learner):
    champion = train().result
    learner.rows = draw_rows(500, until=read_now() + timedelta(minutes=200))
    learner.collect = lambda _scope, _until: learner.rows
    second = train().result
    assert second.held_from > champion.data_until
    assert "learned from" not in second.decision
    Training.objects.all().delete()
    ModelVersion.objects.filter(id=champion.id).update(data_until=second.held_until)
    assert "The champion learned from some of the rows" in train().result.decision


def test_three_defeats_by_the_baseline_end_a_champion(learner):
    champion = train().result
    learner.evaluate = lambda _artifact, rows: Evaluation(
        np.ones(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    )
    for defeats in (1, 2):
        train()
        champion.refresh_from_db()
        assert (champion.state, champion.defeats) == ("champion", defeats)
    train()
    champion.refresh_from_db()
    assert champion.state == "retired"
    assert champion.decision == "The baseline was better in 3 evaluations in a row."
    with pytest.raises(NoModel):
        take_champion(KIND, EVERYTHING, build=read_model)


def test_a_training_that_breaks_leaves_the_champion_and_is_tried_twice(learner):
    champion = train().result

    def crash(_report):
        raise MemoryError

    learner.before_fit = crash
    training = start_training(kind=KIND, scope=EVERYTHING)
    run_due_jobs("ml")
    assert Job.objects.get(id=training.job_id).state == "queued"
    settle_trainings()
    training.refresh_from_db()
    assert training.state == "waiting"
    Job.objects.filter(id=training.job_id).update(run_after=read_now() - timedelta(seconds=1))
    run_due_jobs("ml")
    settle_trainings()
    training.refresh_from_db()
    assert (training.state, training.attempts) == ("failed", 2)
    assert training.decision.startswith("MemoryError")
    assert find_champion(KIND, "all") == champion


def test_rows_that_nothing_can_be_learned_from_are_said_in_words(learner):
    def refuse(_report):
        raise ValueError("every row is the same")

    learner.before_fit = refuse
    training = train()
    assert (training.state, training.decision) == ("failed", "every row is the same")


def test_progress_is_on_the_job_while_the_model_learns(learner):
    seen = []

    def look(report):
        report(0.5, "half")
        seen.append(Training.objects.get().state)

    learner.before_fit = look
    training = train()
    assert seen == ["running"]
    job = Job.objects.get(id=training.job_id)
    assert (job.state, job.progress, job.note) == ("done", 1.0, training.decision[:200])


def test_asking_twice_gives_the_training_that_is_open(learner):
    first = start_training(kind=KIND, scope=EVERYTHING)
    assert start_training(kind=KIND, scope=EVERYTHING) == first
    assert Job.objects.filter(kind="train_model").count() == 1


def test_one_training_runs_at_a_time(learner, monkeypatch):
    monkeypatch.setattr(training_service, "PAUSE_SECONDS", 0.0)
    test_id = make_assignment(make_client("probe"), "web").test_id
    first = start_training(kind=KIND, scope=EVERYTHING)
    second = start_training(kind=KIND, scope=Scope("test", str(test_id)))
    holder = begin_training(first.id)
    now = read_now()
    Job.objects.filter(id=first.job_id).update(
        state="running", claimed_by="x", claimed_until=now + timedelta(minutes=1)
    )
    run_due_jobs("ml", turn_seconds=0)
    second.refresh_from_db()
    assert (holder.number, second.state) == (1, "waiting")
    assert Job.objects.get(id=second.job_id).note == "waits for another training"
    Job.objects.filter(id=first.job_id).update(state="discarded", claimed_until=None)
    run_due_jobs("ml")
    second.refresh_from_db()
    first.refresh_from_db()
    assert (second.state, first.state) == ("done", "failed")
    assert second.result.test_id == test_id


def test_a_worker_that_comes_back_too_late_stores_nothing(learner):
    training = start_training(kind=KIND, scope=EVERYTHING)

    def take_over(_report):
        learner.before_fit = None
        # Another worker begins the next attempt, because this one's claim ran out.
        begin_training(training.id)

    learner.before_fit = take_over
    run_due_jobs("ml")
    training.refresh_from_db()
    assert (training.state, training.attempts) == ("running", 2)
    assert not ModelVersion.objects.exists()


def test_a_settled_training_is_not_begun_again(learner):
    training = train()
    with pytest.raises(JobLost):
        begin_training(training.id)


def test_a_discarded_job_fails_its_training(learner):
    training = start_training(kind=KIND, scope=EVERYTHING)
    discard_job(job=training.job)
    assert settle_trainings() == 1
    training.refresh_from_db()
    assert (training.state, training.decision) == ("failed", "Its job was discarded.")
    assert settle_trainings() == 0


def test_the_periodic_task_trains_what_is_due_and_only_that(learner):
    assert train_due_models() == 1
    run_due_jobs("ml")
    training = Training.objects.get()
    assert (training.trigger, training.state, training.requested_by) == (
        Trigger.FIRST,
        "done",
        None,
    )
    assert train_due_models() == 0
    age(training)
    assert train_due_models() == 0
    learner.rows = draw_rows(400)
    assert train_due_models() == 1
    assert Training.objects.first().trigger == Trigger.NEW_ROWS


def test_drift_asks_for_a_training(learner):
    training = train()
    age(training)
    ModelVersion.objects.update(drift={"is_drifted": True}, reviewed_at=read_now())
    assert train_due_models() == 1
    assert Training.objects.first().trigger == Trigger.DRIFT


def test_a_scope_whose_assignment_is_gone_keeps_no_other_from_learning(learner):
    gone = Scope("assignment", "8c1e9a0e-5b1c-4c8e-9d7e-0c1f2a3b4c5d")
    learner.scopes = (gone, EVERYTHING)
    assert train_due_models() == 1
    assert Training.objects.get().scope == "all"


def test_a_model_of_an_assignment_is_of_its_client_and_test(learner):
    assignment = make_assignment(make_client("probe"), "web")
    version = train(Scope("assignment", str(assignment.id))).result
    assert (version.client_id, version.test_id) == (assignment.client_id, assignment.test_id)


def test_standings_say_how_many_rows_are_missing():
    for rows, needed, may_train in ((10, 50, False), (60, 200, True), (250, 200, True)):
        with known_learner(SmallLearner(draw_rows(rows))):
            (standing,) = list_standings()
        assert (standing.row_count, standing.needed, standing.may_train) == (
            rows,
            needed,
            may_train,
        )
        assert standing.is_learning == (rows < 200)


def test_two_processes_that_ask_at_once_make_one_training(learner):
    training_ids, barrier = [], threading.Barrier(2)

    def ask():
        from django.db import connection

        barrier.wait()
        try:
            training_ids.append(start_training(kind=KIND, scope=EVERYTHING).id)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(training_ids)) == 1
    assert Training.objects.count() == 1
    SHELF.clear()
