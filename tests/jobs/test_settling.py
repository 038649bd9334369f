"""What people decide about jobs, by API and by service, and how long jobs are remembered."""

from datetime import timedelta

import pytest

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.core.errors import Conflict, NotFound
from apps.jobs.models import Job
from apps.jobs.services import discard_job, retry_job, settling
from apps.jobs.services.claims import claim_job
from apps.jobs.tasks import forget_jobs
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.jobs import KIND, known_kind, make_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def root():
    return bearer(make_token(make_user("root", "admin"), "admin"))


@pytest.mark.parametrize("state", ["dead", "discarded"])
def test_a_settled_job_is_opened_again_with_all_its_attempts(state):
    job = make_job(state=state, attempts=3, error="It broke.", finished_at=read_now())
    retried = retry_job(job=job)
    assert (retried.state, retried.attempts, retried.finished_at) == ("queued", 0, None)
    entry = AuditEntry.objects.get(action="retry")
    assert entry.before == {"state": state, "attempts": 3, "error": "It broke."}


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_an_open_or_finished_job_is_not_opened_again(state):
    with pytest.raises(Conflict, match="given up"):
        retry_job(job=make_job(state=state))


def test_a_dead_job_stays_so_while_a_newer_one_does_the_same():
    dead = make_job(state="dead", key="april")
    make_job(key="april")
    with pytest.raises(Conflict, match="newer"):
        retry_job(job=dead)
    assert not AuditEntry.objects.filter(action="retry").exists()


@pytest.mark.parametrize("state", ["queued", "running", "dead"])
def test_a_discarded_job_is_nobodys(state):
    job = discard_job(job=make_job(state=state, claimed_by="somebody"))
    assert (job.state, job.claimed_by) == ("discarded", "")
    with known_kind(lambda _run: None):
        assert claim_job(["default"]) is None
    with pytest.raises(Conflict, match="settled"):
        discard_job(job=job)


def test_a_job_that_is_forgotten_is_not_found():
    job = make_job(state="dead")
    Job.objects.all().delete()
    with pytest.raises(NotFound):
        discard_job(job=job)


def test_done_and_discarded_jobs_are_forgotten_after_a_week_and_dead_ones_are_not():
    now = read_now()
    for state in ("done", "discarded", "dead"):
        make_job(key="old", state=state, finished_at=now - timedelta(days=7, seconds=1))
        make_job(key="new", state=state, finished_at=now - timedelta(days=6, hours=23))
    forget_jobs()
    kept = sorted(Job.objects.values_list("key", "state"))
    assert kept == [("new", "dead"), ("new", "discarded"), ("new", "done"), ("old", "dead")]


def test_all_old_jobs_are_forgotten_however_many_there_are(monkeypatch):
    monkeypatch.setattr(settling, "FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        make_job(key=str(number), state="done", finished_at=read_now() - timedelta(days=8))
    forget_jobs()
    assert not Job.objects.exists()


def test_the_api_lists_shows_retries_and_discards(client, root):
    dead = make_job(state="dead", attempts=3, error="It broke.", arguments={"month": 3})
    make_job(key="waits")
    found = client.get("/api/v1/jobs/?state=dead", **root).json()["results"]
    assert [one["id"] for one in found] == [str(dead.id)]
    shown = client.get(f"/api/v1/jobs/{dead.id}/", **root).json()
    assert (shown["kind"], shown["title"], shown["arguments"]) == (KIND, KIND, {"month": 3})
    assert (shown["attempts"], shown["error"]) == (3, "It broke.")
    answer = client.post(f"/api/v1/jobs/{dead.id}/retry/", **root)
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    answer = client.post(f"/api/v1/jobs/{dead.id}/discard/", **root)
    assert (answer.status_code, answer.json()["state"]) == (200, "discarded")
    answer = client.post(f"/api/v1/jobs/{dead.id}/discard/", **root)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_settled")
    assert AuditEntry.objects.filter(object_type="job", actor__username="root").count() == 2


def test_who_administers_only_a_site_sees_no_jobs(client):
    local = bearer(make_token(make_user("local", "admin", site="vienna"), "admin"))
    assert client.get("/api/v1/jobs/", **local).status_code == 403
    assert client.post(f"/api/v1/jobs/{make_job().id}/discard/", **local).status_code == 403
