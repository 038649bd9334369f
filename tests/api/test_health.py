"""Health and the goals of tests through the API."""

import pytest

from apps.core.clock import read_now
from apps.ml.models import HealthGoal
from apps.ml.services.health.refreshing import combine_all, combine_sites
from tests.factories.accounts import grant, make_user
from tests.factories.clients import make_client
from tests.factories.health import WHY, make_score
from tests.factories.tests import make_assignment

pytestmark = pytest.mark.django_db
GOAL = {
    "availability_goal_ratio": 0.99,
    "latency_good_seconds": 0.65,
    "latency_bad_seconds": 1.5,
    "jitter_good_seconds": 0.02,
    "jitter_bad_seconds": 0.2,
}


@pytest.fixture
def paths(db):
    made = {}
    for site, score in (("vienna", 100), ("graz", 40)):
        client = make_client(f"{site}-host", site=site)
        made[site] = make_assignment(client, f"{site}-test")
        make_score(assignment=made[site], score=score, deductions=WHY, pillars={"performance": 1.0})
        make_score(client=client, score=score)
    combine_sites({one.client.site_id for one in made.values()}, now=read_now())
    combine_all(now=read_now())
    return made


@pytest.fixture
def api(client, db):
    client.force_login(make_user("root", "admin"))
    return client


def list_subjects(client, query=""):
    rows = client.get(f"/api/v1/health/{query}").json()["results"]
    return [(row["subject"], row["score"]) for row in rows]


def test_the_worst_come_first(api, paths):
    scores = [score for _subject, score in list_subjects(api)]
    assert scores == sorted(scores)
    assert len(scores) == 7


def test_what_it_is_of_narrows_the_list(api, paths):
    assert list_subjects(api, "?subject=all") == [("all", 55)]
    assert list_subjects(api, "?subject=site") == [("site", 40), ("site", 100)]
    graz = paths["graz"]
    assert sorted(list_subjects(api, f"?client={graz.client_id}")) == [("client", 40), ("test", 40)]
    assert list_subjects(api, f"?test={graz.test_id}") == [("test", 40)]
    assert len(list_subjects(api, "?band=healthy")) == 3


def test_somebody_of_one_site_sees_its_scores_alone(client, paths):
    client.force_login(make_user("local", "viewer", site="graz"))
    assert sorted(list_subjects(client)) == [("client", 40), ("site", 40), ("test", 40)]


def test_a_tag_does_not_show_the_score_of_a_whole_site(client, paths):
    make_client("tagged", site="graz", tags=["edge"])
    client.force_login(make_user("local", "viewer", tag="edge"))
    assert list_subjects(client) == []


def test_a_denied_client_hides_the_score_of_its_site(client, paths):
    user = make_user("local", "viewer")
    grant(user, "viewer", site="graz", effect="deny")
    client.force_login(user)
    assert sorted(list_subjects(client)) == [("client", 100), ("site", 100), ("test", 100)]


def test_the_history_is_null_where_nothing_was_known(api, paths):
    row = api.get(f"/api/v1/health/?test={paths['graz'].test_id}").json()["results"][0]
    history = api.get(f"/api/v1/health/{row['id']}/history/?buckets=24").json()
    assert (history["mean"][0], history["mean"][-1]) == (90.0, 40.0)
    assert len(history["at"]) == 24
    start = "2020-01-01T00:00:00Z"
    early = f"/api/v1/health/{row['id']}/history/?start={start}&end=2020-01-02T00:00:00Z"
    assert set(api.get(early).json()["mean"]) == {None}
    long = f"/api/v1/health/{row['id']}/history/?start={start}"
    assert api.get(long).status_code == 400


def test_a_test_has_the_goal_of_its_kind_until_it_has_its_own(api, paths):
    path = f"/api/v1/tests/{paths['graz'].test_id}/health-goal/"
    usual = api.get(path).json()
    assert (usual["is_own"], usual["latency_good_seconds"]) == (False, 0.05)
    answer = api.put(path, GOAL, content_type="application/json")
    assert answer.json() == {**GOAL, "throughput_bits_per_second": None, "is_own": True}
    assert api.delete(path).status_code == 204
    assert api.get(path).json() == usual


def test_a_goal_that_cannot_be_is_refused_by_field(api, paths):
    path = f"/api/v1/tests/{paths['graz'].test_id}/health-goal/"
    bad = {**GOAL, "latency_bad_seconds": 0.1}
    answer = api.put(path, bad, content_type="application/json")
    assert answer.status_code == 400
    assert "latency_bad_seconds" in answer.content.decode()
    assert not HealthGoal.objects.exists()
