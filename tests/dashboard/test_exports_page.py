"""The page of exports: what is asked for, how much it is, and the files in the background."""

from datetime import UTC, datetime

import pytest

from apps.accounts.models import User
from apps.reports.models import Export
from apps.reports.services import exports as services
from tests.factories.accounts import make_user
from tests.factories.clients import make_client
from tests.factories.exports import make_export
from tests.factories.findings import make_finding
from tests.factories.tests import make_assignment, make_run

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def ann(client):
    user = make_user("ann", "viewer", site="vienna")
    client.force_login(user)
    return user


@pytest.fixture
def run():
    return make_run(make_assignment(make_client("probe", site="vienna"), "Gateway"), state="failed")


def show(client, query=""):
    answer = client.get(f"/exports/?{query}")
    return " ".join(answer.content.decode().split())


def test_the_form_has_the_filters_of_the_dataset_and_keeps_what_the_address_says(client, ann, run):
    text = show(client, "dataset=runs&state=failed&format=ndjson")
    assert '<option value="runs" selected>' in text
    assert 'value="failed" class="form-check-input"' in text
    assert "/api/v1/exports/runs.ndjson?state=failed" in text
    assert "<strong>1</strong> rows" in text
    assert 'name="severity"' not in text
    assert "---------" not in show(client, "dataset=results")
    assert 'name="severity"' in show(client, "dataset=findings")


def test_a_time_is_meant_in_the_users_zone(client, ann, run):
    User.objects.filter(pk=ann.pk).update(time_zone="Pacific/Auckland")
    query = "dataset=runs&after=2026-01-05T13:00:00"
    assert "after=2026-01-05T13%3A00%3A00%2B13%3A00" in show(client, query)
    client.post("/exports/", {"dataset": "runs", "after": "2026-01-05T13:00:00"})
    [after] = Export.objects.get().filters["after"]
    assert datetime.fromisoformat(after) == datetime(2026, 1, 5, tzinfo=UTC)


def test_a_client_behind_the_ones_that_are_offered_can_be_picked(client, ann, run, monkeypatch):
    monkeypatch.setattr("apps.dashboard.forms.exports.OFFERED", 1)
    make_client("aaron", site="vienna")
    probe = run.assignment.client
    text = show(client, f"dataset=runs&client={probe.id}")
    assert f'<option value="{probe.id}" selected>probe</option>' in text
    assert "valid choice" not in text
    hidden = make_client("hidden", site="graz")
    text = show(client, f"dataset=runs&client={hidden.id}")
    assert "valid choice" in text
    assert ">hidden<" not in text


def test_what_cannot_be_exported_says_why_and_offers_nothing(client, ann):
    text = show(client, "dataset=runs&test=no-id")
    assert "cannot be exported as it stands" in text
    assert "Download now" not in text
    assert "Nothing fits" in show(client, "dataset=runs")


def test_a_file_is_asked_for_and_its_progress_shown(client, ann, run):
    fields = {"dataset": "runs", "state": ["failed", "missed"], "is_gzip": "on"}
    answer = client.post("/exports/", fields, follow=True)
    text = " ".join(answer.content.decode().split())
    export = Export.objects.get()
    assert export.filters == {"state": ["failed", "missed"]}
    assert "runs.csv.gz" in text
    assert "Waiting" in text
    assert 'hx-trigger="live from:body, every 10s"' in text
    Export.objects.update(total_units=10, unit_count=4)
    assert "Being written, 40 %" in show(client)
    export.job.state, export.job.error = "dead", "No room."
    export.job.save()
    text = show(client)
    assert "Failed" in text
    assert "No room." in text
    assert 'hx-trigger="live from:body, every 30s"' in text


def test_a_refusal_stands_at_the_form(client, ann, monkeypatch):
    for _number in range(5):
        make_export(ann)
    answer = client.post("/exports/", {"dataset": "runs"})
    assert answer.status_code == 422
    assert "5 of your exports are not finished" in answer.content.decode()


def test_a_ready_file_can_be_downloaded_linked_and_deleted(client, ann):
    export = make_export(ann, content=b"x")
    text = show(client)
    assert f"/api/v1/exports/{export.id}/file/" in text
    assert export.sha256 in text
    linked = client.post(f"/exports/{export.id}/link/").content.decode()
    assert f"/file/?signature={services.sign_link(export).signature[:20]}" in linked
    client.post(f"/exports/{export.id}/delete/")
    assert not Export.objects.exists()


def test_of_others_only_administrators_see_files(client, ann):
    make_export(make_user("bob", "viewer"), content=b"x", filters={"q": ["of bob"]})
    assert "of bob" not in show(client)
    client.force_login(make_user("boss", "admin"))
    assert "of bob" in show(client)


def test_only_who_administers_everything_is_offered_the_audit(client, ann):
    assert 'value="audit"' not in show(client)
    # Asked for all the same, it is as if it were not there.
    assert '<option value="results" selected>' in show(client, "dataset=audit")
    client.force_login(make_user("boss", "admin"))
    assert 'value="audit"' in show(client)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/runs/?state=failed", "/exports/?dataset=runs&amp;state=failed"),
        ("/findings/?severity=warning", "/exports/?dataset=findings&amp;severity=warning"),
        ("/clients/?q=pro&site=vienna", "/exports/?dataset=clients&amp;q=pro&amp;site=vienna"),
    ],
)
def test_lists_lead_here_with_their_filters(client, ann, run, page, words):
    make_finding(run.assignment.client)
    assert words in client.get(page).content.decode()
