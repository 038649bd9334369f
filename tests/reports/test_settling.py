"""No report and no message waits for ever: each state is left, and a fault is told to who waits."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from apps.accounts.models import AuditEntry
from apps.core.errors import Conflict
from apps.jobs.errors import JobLost
from apps.jobs.models import Job
from apps.jobs.services import discard_job, retry_job, run_due_jobs
from apps.reports.models import Delivery, Report, ReportPlan
from apps.reports.selectors.reports import read_file
from apps.reports.services.reports import (
    ask_report,
    delete_report,
    make_due_reports,
    making,
    remake_report,
    resend,
    settle_reports,
)
from apps.reports.services.reports.settling import FORGOTTEN
from apps.reports.writers import press
from tests.factories.reports import make_plan, make_report

pytestmark = pytest.mark.django_db(transaction=True)
PRESS = "apps.reports.services.reports.making.print_html"
SENT = {
    "cadence": "daily",
    "period": "day",
    "recipients": ["ann@example.org", "bob@example.org"],
}
DIED = "The worker ended before the work was done, 2 times."


def work():
    """All jobs of reports until none is open, however long they would wait for the next attempt."""
    while Job.objects.filter(queue="reports", state__in=Job.OPEN).exists():
        oldest = Job.objects.earliest("created_at").created_at
        Job.objects.filter(state="queued").update(run_after=oldest)
        run_due_jobs("reports")


def list_states(report):
    report.refresh_from_db()
    return report.state, {one.state for one in report.deliveries.all()}


@pytest.fixture
def scheduled(owner):
    """A report for two recipients that a worker is to make."""
    plan = make_plan(owner, "Vienna", **SENT)
    make_due_reports(now=plan.next_at)
    return Report.objects.get()


@pytest.fixture
def jam(monkeypatch):
    monkeypatch.setattr(
        PRESS, lambda html: press.print_html(html, press.Limits(seconds=0.01))
    )  # fmt: skip
    return monkeypatch


def test_a_report_waits_for_its_second_attempt_and_says_what_was_wrong(scheduled, jam):
    run_due_jobs("reports")
    assert list_states(scheduled) == ("queued", {"waiting"})
    assert "longer than" in scheduled.error
    assert settle_reports() == 0


def test_a_report_that_cannot_be_printed_fails_its_messages_with_the_reason(scheduled, post, jam):
    work()
    assert list_states(scheduled) == ("failed", {"failed"})
    errors = {one.error for one in scheduled.deliveries.all()}
    assert errors == {f"The report could not be made: {scheduled.error}"}
    assert "longer than" in scheduled.error
    assert post.messages == []
    entry = AuditEntry.objects.get(action="fail")
    assert entry.object_id == str(scheduled.id)
    assert entry.after["unsent"] == SENT["recipients"]


def test_a_failed_report_made_again_is_sent_to_who_waited_for_it(scheduled, network, post, jam):
    work()
    jam.undo()
    again = remake_report(scheduled)
    assert (again.id, again.start_at, again.error) == (scheduled.id, scheduled.start_at, "")
    work()
    assert list_states(scheduled) == ("ready", {"sent"})
    for address in SENT["recipients"]:
        assert post.wait_for(address)
    assert len(post.messages) == 2
    assert AuditEntry.objects.filter(action="make_again", object_id=str(scheduled.id)).exists()


def test_a_job_that_an_administrator_tries_again_sends_as_well(scheduled, post, jam):
    work()
    jam.undo()
    retry_job(job=Job.objects.get(kind="make_report"))
    work()
    assert list_states(scheduled) == ("ready", {"sent"})


@pytest.mark.parametrize("state", ["queued", "making", "ready"])
def test_only_a_failed_report_is_made_again(owner, state):
    report = make_report(make_plan(owner), state=state)
    with pytest.raises(Conflict):
        remake_report(report)


@pytest.mark.parametrize("state", ["queued", "making"])
def test_a_report_whose_work_was_given_up_is_failed_with_its_messages(scheduled, state):
    Report.objects.update(state=state)
    Job.objects.update(state="dead", error=DIED)
    assert settle_reports() == 1
    assert list_states(scheduled) == ("failed", {"failed"})
    assert scheduled.error == DIED
    assert settle_reports() == 0


def test_a_report_whose_work_was_discarded_is_failed(scheduled):
    discard_job(job=Job.objects.get())
    assert settle_reports() == 1
    assert list_states(scheduled) == ("failed", {"failed"})
    assert "discarded" in scheduled.error


def test_a_report_whose_work_is_forgotten_is_failed(scheduled):
    Job.objects.all().delete()
    assert settle_reports() == 1
    assert list_states(scheduled) == ("failed", {"failed"})
    assert scheduled.error == FORGOTTEN


def test_messages_of_a_report_that_failed_long_ago_are_failed_as_well(owner):
    report = make_report(make_plan(owner), state="failed", error="too large")
    report.deliveries.update(state="waiting", error="")
    assert settle_reports() == 1
    assert list_states(report) == ("failed", {"failed"})
    assert report.deliveries.get().error == "The report could not be made: too large"


@pytest.mark.parametrize("state", ["waiting", "retrying"])
def test_a_message_whose_work_was_given_up_is_failed_and_can_be_sent_again(owner, post, state):
    report = make_report(make_plan(owner))
    delivery = resend(report.deliveries.get(), by=owner)
    Delivery.objects.update(state=state)
    Job.objects.update(state="dead", error=DIED)
    assert settle_reports() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("failed", DIED)
    resend(delivery, by=owner)
    work()
    assert list_states(report) == ("ready", {"sent"})


def test_a_message_that_is_under_way_is_left_alone(owner):
    report = make_report(make_plan(owner))
    resend(report.deliveries.get(), by=owner)
    for state in ("queued", "running"):
        Job.objects.update(state=state)
        assert settle_reports() == 0
    assert list_states(report) == ("ready", {"waiting"})


def test_a_message_that_breaks_off_in_our_own_code_is_tried_again_and_given_up(owner, monkeypatch):
    def break_off(**_message):
        raise RuntimeError

    monkeypatch.setattr("apps.reports.services.reports.delivering.send_message", break_off)
    report = make_report(make_plan(owner))
    resend(report.deliveries.get(), by=owner)
    run_due_jobs("reports")
    assert list_states(report) == ("ready", {"retrying"})
    work()
    assert list_states(report) == ("ready", {"failed"})
    assert "RuntimeError" in report.deliveries.get().error


def test_the_report_of_somebody_who_is_shut_out_fails_at_once(scheduled, owner):
    owner.is_active = False
    owner.save()
    run_due_jobs("reports")
    assert list_states(scheduled) == ("failed", {"failed"})
    assert Job.objects.get().state == "dead"


def test_a_worker_that_lost_its_report_to_another_leaves_it_alone(scheduled, network, monkeypatch):
    def lose(_html):
        raise JobLost

    monkeypatch.setattr(PRESS, lose)
    run_due_jobs("reports")
    assert list_states(scheduled) == ("making", {"waiting"})
    assert scheduled.error == ""


def test_what_another_worker_has_made_meanwhile_stays(owner, network, monkeypatch):
    report = ask_report(make_plan(owner), by=owner)

    def print_late(_html):
        Report.objects.filter(id=report.id).update(state="ready", digest="theirs")
        return press.Printed(b"%PDF ours", 1)

    monkeypatch.setattr(PRESS, print_late)
    work()
    report.refresh_from_db()
    assert report.digest == "theirs"


def test_a_report_deleted_while_it_is_printed_does_not_come_back(owner, network, monkeypatch):
    report = ask_report(make_plan(owner), by=owner)

    def print_late(_html):
        delete_report(Report.objects.get(id=report.id))
        return press.Printed(b"%PDF ours", 1)

    monkeypatch.setattr(PRESS, print_late)
    work()
    assert not Report.objects.exists()
    assert Job.objects.get().state == "done"


def test_one_faulty_plan_keeps_no_other_from_being_made(owner):
    faulty, sound = make_plan(owner, "Faulty", **SENT), make_plan(owner, "Sound", **SENT)
    ReportPlan.objects.filter(id=faulty.id).update(time_zone="Mars/Olympus")
    assert make_due_reports(now=sound.next_at) == 1
    assert Report.objects.get(plan=sound).state == "queued"


def test_a_faulty_plan_says_so_in_its_history_and_is_tried_again_a_day_later(owner):
    plan = make_plan(owner, "Faulty", **SENT)
    due = plan.next_at
    ReportPlan.objects.update(time_zone="Mars/Olympus")
    for _beat in range(2):
        assert make_due_reports(now=due) == 0
    report = Report.objects.get()
    assert (report.state, report.reason) == ("failed", "scheduled")
    assert "ZoneInfoNotFoundError" in report.error
    unsent = {one.recipient for one in report.deliveries.filter(state="failed")}
    assert unsent == set(SENT["recipients"])
    assert ReportPlan.objects.get().next_at == due + timedelta(days=1)
    assert make_due_reports(now=due + timedelta(days=1)) == 0
    assert Report.objects.count() == 2


def test_a_database_that_is_away_puts_no_plan_off(owner, monkeypatch):
    def break_off(*_plan):
        raise OperationalError

    plan = make_plan(owner, **SENT)
    with monkeypatch.context() as patched:
        patched.setattr(making, "find_span", break_off)
        assert make_due_reports(now=plan.next_at) == 0
    assert not Report.objects.exists()
    assert make_due_reports(now=plan.next_at) == 1


def test_more_faulty_plans_than_are_looked_at_at_once_keep_no_sound_one_waiting(owner):
    for number in range(making.PLANS_AT_ONCE):
        make_plan(owner, f"Faulty {number}", **SENT)
    sound = make_plan(owner, "Sound", **{**SENT, "hour": 7})
    later = sound.next_at + timedelta(days=1)
    ReportPlan.objects.exclude(id=sound.id).update(time_zone="Mars/Olympus")
    for _beat in range(2):
        make_due_reports(now=later)
    assert Report.objects.get(plan=sound).state == "queued"


def test_a_report_made_in_the_second_attempt_has_no_error_left(scheduled, network, post, jam):
    run_due_jobs("reports")
    jam.undo()
    work()
    assert list_states(scheduled) == ("ready", {"sent"})
    assert scheduled.error == ""
    assert read_file(scheduled).startswith(b"%PDF")
