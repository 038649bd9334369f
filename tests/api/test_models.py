"""Models and trainings by the API: begun, looked at, promoted, rolled back, retired."""

import pytest

from apps.jobs.services import run_due_jobs
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
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
def api(client):
    client.force_login(make_user("root", "admin"))

    def send(method, path, body=None):
        answer = client.generic(
            method, f"/api/v1/{path}", "" if body is None else body, "application/json"
        )
        return answer.status_code, answer.json()

    return send


def train(api):
    status, training = api("POST", "trainings/", f'{{"kind": "{KIND}", "scope": "all"}}')
    assert status == 201
    run_due_jobs("ml")
    return api("GET", f"trainings/{training['id']}/")[1]


def test_a_model_lives_its_life_by_the_api(api):
    with known_learner(SmallLearner()):
        first, second = train(api), train(api)
        assert (first["state"], first["progress"], first["requested_by"]) == ("done", 1.0, "root")
        assert first["decision"].startswith("There is no champion")
        assert api("POST", f"models/{second['model']}/promote/")[1]["state"] == "champion"
        status, earlier = api("POST", f"models/{second['model']}/roll-back/")
        assert (status, earlier["id"], earlier["state"]) == (200, first["model"], "champion")
        assert api("POST", f"models/{first['model']}/retire/")[1]["state"] == "retired"
        assert api("POST", f"models/{first['model']}/roll-back/")[0] == 409
    status, found = api("GET", f"models/?kind={KIND}&state=retired")
    assert (status, found["count"]) == (200, 2)
    newest = found["results"][0]
    assert newest["metrics"]["loss"].keys() == {"value", "low", "high"}
    assert len(newest["digest"]) == 64


def test_what_cannot_be_trained_says_why(api):
    with known_learner(SmallLearner(draw_rows(20))):
        status, refusal = api("POST", "trainings/", f'{{"kind": "{KIND}"}}')
        assert (status, refusal["code"]) == (409, "still_learning")
        assert refusal["data"] == {"count": 20, "needed": 50}
        (learner,) = api("GET", "learners/")[1]
    assert (learner["row_count"], learner["needed"], learner["may_train"]) == (20, 50, False)
    for body in ('{"kind": "x"}', '{"kind": "x", "scope": "planet:x"}', '{"scope": "all"}'):
        assert api("POST", "trainings/", body)[0] == 400


def test_a_viewer_of_a_site_sees_what_is_about_its_clients_or_about_all(client):
    vienna, graz = (make_client(name, site=name) for name in ("vienna", "graz"))
    mine = make_version(client=vienna)
    shared = make_version()
    make_version(client=graz)
    make_training(client=graz)
    client.force_login(make_user("vera", "viewer", site="vienna"))
    found = client.get("/api/v1/models/").json()["results"]
    assert {row["id"] for row in found} == {str(mine.id), str(shared.id)}
    assert client.get("/api/v1/trainings/").json()["count"] == 0
    assert client.post(f"/api/v1/models/{mine.id}/retire/").status_code == 403
