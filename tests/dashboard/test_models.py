"""The pages of models and training: what they say, and what their buttons do."""

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEntry
from apps.dashboard.live import hint_learning
from apps.jobs.services import run_due_jobs
from apps.ml.models import ModelVersion, Training
from apps.ml.published import ModelChanged, TrainingChanged
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.jobs import make_job
from tests.factories.learning import (
    KIND,
    SmallLearner,
    draw_rows,
    known_learner,
    make_training,
    make_version,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture(autouse=True)
def model_folder(settings, tmp_path):
    settings.ML_MODELS_DIR = tmp_path / "ml_models"


@pytest.fixture
def learner():
    with known_learner(SmallLearner()) as known:
        yield known


def train(page):
    page.post(reverse("dashboard:start-training"), {"kind": KIND, "scope": "all"})
    run_due_jobs("ml")
    return ModelVersion.objects.order_by("-version").first()


def act(page, action, version):
    url = reverse(f"dashboard:{action}-model", args=[version.id])
    return page.post(url, follow=True).content.decode()


def read(page, url):
    return " ".join(page.get(url).content.decode().split())


def test_without_models_and_rows_the_pages_say_what_to_do(page):
    assert "Nothing was learned yet" in read(page, "/models/")
    assert "There is nothing to learn from yet" in read(page, "/training/")


def test_a_model_is_trained_promoted_rolled_back_and_retired_by_buttons(page, learner):
    first, second = train(page), train(page)
    assert "Version 2 is the champion now." in act(page, "promote", second)
    text = read(page, "/models/")
    assert text.count(">Champion<") == 1
    assert "Roll back" in text
    assert "Version 1 is the champion again." in act(page, "roll-back", second)
    first.refresh_from_db()
    assert (first.state, first.decision) == ("champion", "Brought back by root.")
    assert "Version 1 is used no more." in act(page, "retire", first)
    assert not ModelVersion.objects.filter(state="champion").exists()
    done = list(AuditEntry.objects.order_by("-id").values_list("action", "actor_label")[:3])
    assert done == [("retire", "root"), ("roll back", "root"), ("promote", "root")]


def test_what_cannot_be_done_is_said_on_the_list(page, learner):
    champion = train(page)
    assert "no earlier champion" in act(page, "roll-back", champion)
    missing = make_version(version=2)
    assert "The file of the model is refused" in act(page, "promote", missing)


def test_scores_stand_beside_the_baseline_and_the_interval(page):
    version = make_version(state="champion", defeats=2)
    text = read(page, "/models/")
    for words in ("0.0100", "0.1000", "lost to the baseline 2 times", "not known"):
        assert words in text
    text = read(page, f"/models/{version.id}/")
    for words in ("0.0100", "0.0300", "0.0900", "recall", version.digest, "jitter"):
        assert words in text


def test_drift_is_named_by_feature(page):
    drift = {"rows": 600, "indices": {"rtt": 0.4, "loss": 0.15, "jitter": 0.01}, "is_drifted": True}
    version = make_version(state="champion", drift=drift)
    assert "Drifted" in read(page, "/models/")
    text = read(page, f"/models/{version.id}/")
    assert text.index("Drifted") < text.index("Moving") < text.index("Stable")


def test_what_is_learned_says_how_many_rows_are_missing(page):
    with known_learner(SmallLearner(draw_rows(20))) as learner:
        assert "learning 20/50" in read(page, "/training/")
        assert "start-training" not in read(page, "/training/")
        learner.rows = draw_rows(60)
        text = read(page, "/training/")
    assert "learning 60/200" in text
    assert "trains as provisional" in text


def test_a_training_that_cannot_begin_says_why(page):
    url = reverse("dashboard:start-training")
    with known_learner(SmallLearner(draw_rows(20))):
        answer = page.post(url, {"kind": KIND, "scope": "all"}, follow=True)
    assert "learning 20/50" in answer.content.decode()
    assert not Training.objects.exists()
    assert page.post(url, {"kind": KIND, "scope": "all"}).status_code == 400
    with known_learner(SmallLearner()):
        assert page.post(url, {"kind": KIND, "scope": "planet:x"}).status_code == 400


def test_a_running_training_shows_its_progress_and_is_looked_at_often(page):
    job = make_job("train_model", state="running", progress=0.4, note="half of the trees")
    make_training(state="running", job=job, finished_at=None, decision="")
    text = read(page, "/training/")
    for words in ('value="0.4"', "half of the trees", "every 2s"):
        assert words in text
    Training.objects.update(state="failed", decision="every row is the same")
    text = read(page, "/training/")
    assert "every row is the same" in text
    assert "every 2s" not in text


def test_a_viewer_sees_the_models_of_own_clients_and_no_buttons(client):
    mine = make_version(client=make_client("mine", site="vienna"), state="champion")
    make_version(client=make_client("theirs", site="graz"), state="champion")
    make_version(state="candidate")
    client.force_login(make_user("vera", "viewer", site="vienna"))
    text = read(client, "/models/")
    assert "mine" in text
    assert "theirs" not in text
    assert "Everything" in text
    assert "Promote" not in text
    assert client.post(reverse("dashboard:retire-model", args=[mine.id])).status_code == 403


def test_changes_are_hinted_to_the_pages_that_look(silent_push):
    hint_learning(TrainingChanged(training_id=None))
    hint_learning(ModelChanged(version_id=None))
    assert [pair[0] for pair in silent_push] == ["live.learning"] * 2
