"""A scheduled report is made, printed and arrives in a real SMTP server; a fault is shown."""

import hashlib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.configuration.services import store_settings
from apps.core.errors import Conflict
from apps.jobs.models import Job
from apps.jobs.services import run_due_jobs
from apps.reports.models import Delivery, Report
from apps.reports.selectors.reports import read_file
from apps.reports.services.reports import ask_report, make_due_reports, resend
from tests.factories.reports import make_plan, make_report

pytestmark = pytest.mark.django_db(transaction=True)
SENT = {
    "cadence": "daily",
    "period": "day",
    "recipients": ["ann@example.org", "bob@example.org"],
}


def work():
    """All jobs that are due now, as a worker does them."""
    while run_due_jobs("reports"):
        continue


def find_part(message, type):
    return next(part for part in message.walk() if part.get_content_type() == type)


def test_a_scheduled_report_arrives_with_its_summary_and_the_pdf(owner, network, post):
    plan = make_plan(owner, "Vienna & friends", **SENT)
    make_due_reports(now=plan.next_at)
    work()
    report = Report.objects.get()
    assert report.state == "ready"
    assert report.pages >= 1
    message = post.wait_for("ann@example.org")
    assert post.wait_for("bob@example.org")
    assert message["Subject"].startswith("Vienna & friends: ")
    assert report.verdict in find_part(message, "text/plain").get_content()
    assert "Vienna &amp; friends" in find_part(message, "text/html").get_content()
    content = find_part(message, "application/pdf").get_content()
    assert content == read_file(report)
    assert hashlib.sha256(content).hexdigest() == report.digest
    assert {one.state for one in Delivery.objects.all()} == {"sent"}


@pytest.mark.parametrize(
    ("days", "words"),
    [(31, "Vienna: 1 Jan 2026 \N{EN DASH} 31 Jan 2026"), (1, "Vienna: 1 Jan 2026")],
)
def test_a_mail_names_the_first_and_the_last_day_of_its_zone(owner, post, days, words):
    start = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Vienna"))
    plan = make_plan(owner, time_zone="Europe/Vienna")
    report = make_report(plan, start_at=start, end_at=start + timedelta(days=days))
    resend(report.deliveries.get(), by=owner)
    work()
    assert post.wait_for("ann@example.org")["Subject"] == words


def test_a_test_goes_to_who_asks_and_to_nobody_else(owner, network, post):
    plan = make_plan(owner, **SENT)
    ask_report(plan, by=owner, is_trial=True)
    work()
    assert post.wait_for("olga@example.org")["Subject"].startswith("Test: ")
    assert len(post.messages) == 1


def test_a_test_of_somebody_without_an_address_is_refused(owner):
    plan = make_plan(owner, **SENT)
    owner.email = ""
    with pytest.raises(Conflict):
        ask_report(plan, by=owner, is_trial=True)


def test_a_mail_that_is_not_taken_is_tried_again_and_the_fault_is_shown(owner, post):
    plan = make_plan(owner)
    delivery = make_report(plan).deliveries.get()
    store_settings(values={"smtp_port": 1})
    resend(delivery, by=owner)
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("retrying", 6)
    assert "nothing listens there" in delivery.error
    job = Job.objects.get(kind="send_report")
    assert job.state == "queued"
    store_settings(values={"smtp_port": post.port})
    Job.objects.update(run_after=job.created_at)
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("sent", "")
    assert post.wait_for(delivery.recipient)


def test_what_is_never_taken_is_given_up_and_can_be_sent_again(owner, post):
    delivery = make_report(make_plan(owner)).deliveries.get()
    store_settings(values={"smtp_port": 1})
    resend(delivery, by=owner)
    for _attempt in range(5):
        work()
        Job.objects.update(run_after=delivery.report.created_at)
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert Job.objects.get(kind="send_report").state == "dead"
    store_settings(values={"smtp_port": post.port})
    resend(delivery, by=owner)
    work()
    delivery.refresh_from_db()
    assert delivery.state == "sent"


def test_a_report_that_is_not_made_is_not_sent(owner):
    plan = make_plan(owner)
    report = make_report(plan, state="failed")
    with pytest.raises(Conflict):
        resend(report.deliveries.get(), by=owner)
