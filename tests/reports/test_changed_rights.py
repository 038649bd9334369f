"""A report of more than its owner may see by now, or to whom it may not go, is not handed out."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from apps.accounts.models import Role
from apps.accounts.policy import forget_roles
from apps.jobs.models import Job
from apps.jobs.services import run_due_jobs
from apps.reports.models import Delivery, Report
from apps.reports.services.reports import ask_report, make_due_reports
from apps.reports.services.reports.delivering import queue_delivery
from tests.factories.accounts import deny, grant, make_user
from tests.factories.reports import PDF, make_plan, make_report

pytestmark = pytest.mark.django_db(transaction=True)
SENT = {"cadence": "daily", "period": "day"}
JSON = "application/json"


def work():
    while run_due_jobs("reports"):
        continue


def restrict(user, role="viewer", *, site=""):
    """The user has that role alone from now on."""
    Role.objects.filter(user=user).delete()
    grant(user, role, site=site)
    forget_roles(user)


def test_a_report_of_more_than_its_owner_sees_by_now_is_not_handed_out(client, owner):
    report = make_report(make_plan(owner))
    delivery = report.deliveries.get()
    client.force_login(owner)
    assert client.get(f"/api/v1/reports/{report.id}/file/").content == PDF
    restrict(owner, "operator", site="graz")
    for path in (
        f"/api/v1/reports/{report.id}/file/",
        reverse("dashboard:report-file", args=[report.id]),
    ):
        assert client.get(path).status_code == 409
    body = {"delivery": delivery.id}
    answer = client.post(f"/api/v1/reports/{report.id}/resend/", body, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "report_outdated")
    client.force_login(make_user("boss", "admin"))
    assert client.get(f"/api/v1/reports/{report.id}/file/").status_code == 409


def test_a_report_is_handed_out_under_the_rights_with_which_it_was_made(client, owner, network):
    restrict(owner, "operator", site="vienna")
    deny(owner, "viewer", tag="secret")
    report = ask_report(make_plan(owner), by=owner)
    work()
    report.refresh_from_db()
    assert report.scope == {"allowed": [["vienna", ""]], "denied": [["", "secret"]]}
    client.force_login(owner)
    assert client.get(f"/api/v1/reports/{report.id}/file/").status_code == 200


def test_rights_that_change_before_a_message_is_sent_end_it_at_once(owner, post):
    report = make_report(make_plan(owner, recipients=["ann@example.org"]))
    report.deliveries.all().delete()
    delivery = Delivery.objects.create(report=report, recipient="ann@example.org")
    queue_delivery(delivery)
    restrict(owner, "operator", site="graz")
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("failed", 1)
    assert "rights of its owner have changed" in delivery.error
    assert Job.objects.get(kind="send_report").state == "dead"
    assert post.messages == []


def test_a_scheduled_report_of_who_only_views_by_now_reaches_the_own_address_alone(
    owner, network, post
):
    owner.confirmed_email = "olga@example.org"
    owner.save()
    plan = make_plan(owner, recipients=["olga@example.org", "rival@example.com"], **SENT)
    restrict(owner)
    make_due_reports(now=plan.next_at)
    work()
    assert post.wait_for("olga@example.org")
    assert len(post.messages) == 1
    refused = Delivery.objects.get(recipient="rival@example.com")
    assert (refused.state, refused.attempts) == ("failed", 1)
    assert "only views" in refused.error


def test_a_trial_of_an_administrator_reaches_who_asked_though_the_owner_only_views(network, post):
    plan = make_plan(make_user("vera", "viewer"))
    boss = make_user("boss", "admin")
    boss.email = "boss@example.org"
    ask_report(plan, by=boss, is_trial=True)
    work()
    assert post.wait_for("boss@example.org")


def test_reports_of_before_count_as_made_with_the_rights_of_today(owner):
    deny(owner, "viewer", site="graz")
    deny(owner, "operator", site="linz")
    forget_roles(owner)
    report = make_report(make_plan(owner))
    waiting = make_report(make_plan(owner), state="queued", scope=None)
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    kept = report.scope
    try:
        MigrationExecutor(connection).migrate([("reports", "0001_initial")])
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert Report.objects.get(id=report.id).scope == kept
    assert kept == {"allowed": [["", ""]], "denied": [["graz", ""]]}
    assert Report.objects.get(id=waiting.id).scope is None
