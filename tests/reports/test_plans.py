"""Plans: checked, owned, audited, and due once."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from apps.accounts.models import AuditEntry
from apps.accounts.services import change_user
from apps.core.errors import Invalid, NotFound, Refused
from apps.jobs.models import Job
from apps.reports.algorithms.periods import find_next
from apps.reports.models import Report, ReportPlan
from apps.reports.selectors.reports import get_plan, get_report, list_plans
from apps.reports.services.reports import (
    change_plan,
    create_plan,
    delete_plan,
    forget_reports,
    make_due_reports,
)
from tests.factories.accounts import make_user
from tests.factories.reports import define_plan, make_plan, make_report

pytestmark = pytest.mark.django_db
SENT = {"cadence": "daily", "hour": 6, "recipients": ["ann@example.org", "bob@example.org"]}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"template": "novel"}, "template"),
        ({"period": "decade"}, "period"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"language": "xx"}, "language"),
        ({"sections": ["summary", "summary"]}, "sections"),
        ({"sections": ["gossip"]}, "sections"),
        ({"accent": "red; } body { display: none"}, "accent"),
        ({"cadence": "hourly", "recipients": ["ann@example.org"]}, "cadence"),
        ({"cadence": "daily"}, "recipients"),
        ({"cadence": "daily", "period": "week", "recipients": ["ann@example.org"]}, "period"),
        ({"cadence": "daily", "period": "month", "recipients": ["ann@example.org"]}, "period"),
        ({"cadence": "weekly", "period": "month", "recipients": ["ann@example.org"]}, "period"),
        ({"hour": 24}, "hour"),
        ({"weekday": 7}, "weekday"),
        ({"month_day": 29}, "month_day"),
        ({"recipients": ["ann@example.org\nBcc: x@example.org"]}, "recipients"),
        ({"recipients": ["ann"]}, "recipients"),
        ({"recipients": [f"a{n}@example.org" for n in range(51)]}, "recipients"),
        ({"selector": {"planets": []}}, "selector"),
        ({"tests": ["x"]}, "tests"),
        ({"logo": b"<svg onload=alert(1)>"}, "logo"),
        ({"logo": b"\x89PNG\r\n\x1a\n" + bytes(300_000)}, "logo"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(owner, fields, name):
    with pytest.raises(Invalid) as caught:
        create_plan(define_plan(**fields), owner=owner)
    assert [error.field for error in caught.value.errors] == [name]


@pytest.mark.parametrize(
    ("cadence", "period"),
    [("daily", "7d"), ("weekly", "week"), ("weekly", "30d"), ("monthly", "month")],
)
def test_what_is_another_period_each_time_can_be_sent_so_often(owner, cadence, period):
    plan = make_plan(owner, cadence=cadence, period=period, recipients=["ann@example.org"])
    for _time in range(2):
        assert make_due_reports(now=plan.next_at) == 1
        # Of when it is due: what is due next counts from the real time.
        plan.next_at = find_later(plan)
        plan.save()
    assert Report.objects.values("start_at").distinct().count() == 2


def find_later(plan):
    return find_next(
        plan.cadence,
        plan.next_at,
        ZoneInfo(plan.time_zone),
        hour=plan.hour,
        weekday=plan.weekday,
        month_day=plan.month_day,
    )


def test_an_older_plan_that_is_due_within_its_period_goes_on_once_a_period(owner):
    plan = make_plan(owner, cadence="monthly", period="month", recipients=["ann@example.org"])
    ReportPlan.objects.update(cadence="weekly")
    plan.refresh_from_db()
    made = []
    for _week in range(7):
        made.append(make_due_reports(now=plan.next_at))
        plan.next_at = find_later(plan)
        plan.save()
    assert sum(made) == 2


def test_making_changing_and_deleting_are_audited(owner):
    plan = make_plan(owner)
    change_plan(plan=plan, definition=define_plan(name="Graz"))
    delete_plan(plan)
    entries = AuditEntry.objects.filter(object_type="reportplan").order_by("id")
    assert [entry.action for entry in entries] == ["create", "change", "delete"]


def test_plans_belong_to_their_owner_and_to_who_administers_everything(owner):
    plan = make_plan(owner)
    assert list_plans(make_user("root", "admin")).get() == plan
    with pytest.raises(NotFound):
        get_plan(make_user("otto", "operator"), plan.id)


def test_who_only_views_sends_to_nobody_but_themselves(db):
    viewer = make_user("vera", "viewer")
    change_user(user=viewer, username="vera", email="vera@example.org", first_name="", last_name="")
    viewer.refresh_from_db()
    with pytest.raises(Refused):
        make_plan(viewer, recipients=["ann@example.org"])
    make_plan(viewer, recipients=["vera@example.org"])


def test_a_due_plan_makes_one_report_however_often_it_is_looked_at(owner, now):
    plan = make_plan(owner, period="day", **SENT)
    due = plan.next_at
    assert make_due_reports(now=due - timedelta(seconds=1)) == 0
    assert make_due_reports(now=due) == 1
    assert make_due_reports(now=due) == 0
    report = Report.objects.get()
    assert [one.recipient for one in report.deliveries.all()] == SENT["recipients"]
    assert Job.objects.filter(kind="make_report", state="queued").count() == 1


def test_a_second_beat_makes_no_second_report_of_the_same_period(owner):
    plan = make_plan(owner, period="day", **SENT)
    due = plan.next_at
    make_due_reports(now=due)
    ReportPlan.objects.update(next_at=due)
    assert make_due_reports(now=due) == 0
    assert Report.objects.count() == 1
    assert ReportPlan.objects.get().next_at > due - timedelta(days=1)


def test_the_plan_of_somebody_who_is_shut_out_makes_nothing(owner):
    plan = make_plan(owner, **SENT)
    owner.is_active = False
    owner.save()
    assert make_due_reports(now=plan.next_at) == 0
    assert not Report.objects.exists()


def test_old_reports_are_forgotten_with_their_files(owner, now):
    plan = make_plan(owner)
    old = make_report(plan, created_at=now - timedelta(days=401))
    kept = make_report(plan, created_at=now - timedelta(days=399))
    assert forget_reports(now) == 1
    assert list(Report.objects.all()) == [kept]
    assert not Report.objects.filter(id=old.id).exists()


def test_however_many_old_reports_there_are_they_are_forgotten_within_the_budget(owner, now):
    plan = make_plan(owner)
    for number in range(45):
        make_report(plan, created_at=now - timedelta(days=401, minutes=number))
    assert forget_reports(now, budget_seconds=0) == 20
    assert forget_reports(now) == 25
    assert forget_reports(now) == 0


def test_a_report_is_named_by_the_days_of_its_zone(owner):
    vienna = ZoneInfo("Europe/Vienna")
    start, end = datetime(2026, 1, 1, tzinfo=vienna), datetime(2026, 2, 1, tzinfo=vienna)
    report = make_report(make_plan(owner, time_zone="Europe/Vienna"), start_at=start, end_at=end)
    report = get_report(owner, report.id)
    assert report.file_name == f"report-20260101-20260131-{str(report.id)[:8]}.pdf"
    assert str(report) == "Vienna 2026-01-01"
    ReportPlan.objects.update(time_zone="Mars/Olympus")
    assert get_report(owner, report.id).file_name.startswith("report-20251231-20260131-")
