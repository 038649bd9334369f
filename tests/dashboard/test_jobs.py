"""The page of background work: what it lists, and what its buttons do."""

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.dashboard.selectors.jobs import ROWS_SHOWN, describe_jobs
from apps.jobs.models import Job
from tests.factories.jobs import make_job

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

URL = "/jobs/"


def act(page, action, job):
    return page.post(reverse(f"dashboard:{action}-job", args=[job.id]), follow=True)


def test_an_empty_page_says_what_belongs_here(page):
    text = page.get(URL).content.decode()
    assert "deleting a client" in text
    assert "<table" not in text


def test_jobs_are_listed_by_what_they_are_and_dead_ones_come_first(page):
    now = read_now()
    make_job(key="waits", run_after=now + timedelta(hours=1))
    make_job(key="runs", state="running", progress=0.4, note="page 2 of 5", started_at=now,
             claimed_until=now + timedelta(seconds=9))  # fmt: skip
    make_job(key="gave-up", state="dead", attempts=3, error="It broke.", finished_at=now)
    make_job(key="is-done", state="done", finished_at=now)
    text = page.get(URL).content.decode()
    places = [text.index(f">{key}<") for key in ("gave-up", "runs", "waits", "is-done")]
    assert places == sorted(places)
    for words in ("It broke.", "page 2 of 5", 'value="0.4"'):
        assert words in text


def test_what_no_worker_takes_is_called_late(page):
    make_job(run_after=read_now() - timedelta(minutes=2))
    assert "Late" in page.get(URL).content.decode()


def test_a_long_list_is_cut_and_says_so(page, admin):
    for number in range(ROWS_SHOWN + 1):
        make_job(key=str(number), state="dead", finished_at=read_now())
    assert len(describe_jobs(admin).dead.rows) == ROWS_SHOWN
    assert f"{ROWS_SHOWN} of {ROWS_SHOWN + 1} are shown" in page.get(URL).content.decode()


def test_a_dead_job_is_tried_again_or_discarded_with_an_entry_in_the_audit(page, admin):
    job = make_job(state="dead", attempts=3)
    assert "is tried again" in act(page, "retry", job).content.decode()
    assert Job.objects.get().state == "queued"
    assert "is discarded" in act(page, "discard", job).content.decode()
    assert Job.objects.get().state == "discarded"
    entries = AuditEntry.objects.filter(object_type="job").order_by("id")
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("retry", admin), ("discard", admin),
    ]  # fmt: skip


def test_what_changed_meanwhile_is_said(page):
    job = make_job(state="done")
    assert "settled already" in act(page, "discard", job).content.decode()
    assert "Only a job that was given up" in act(page, "retry", job).content.decode()
    Job.objects.all().delete()
    assert act(page, "retry", job).status_code == 404
