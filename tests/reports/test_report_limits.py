"""How many reports somebody may have made, and how often and to whom they are sent."""

from datetime import timedelta

import pytest
import time_machine

from apps.accounts.models import AuditEntry
from apps.core.clock import read_now
from apps.reports.models import Delivery, Report, ReportPlan
from apps.reports.services.reports.limits import MOST_MAILED, MOST_OPEN, MOST_PLANS
from tests.factories.accounts import make_user
from tests.factories.reports import make_plan, make_report

pytestmark = pytest.mark.django_db
PLANS, REPORTS, ME = "/api/v1/report-plans/", "/api/v1/reports/", "/api/v1/users/me/"
JSON = "application/json"
OWN = "vera@example.org"


@pytest.fixture
def viewer(db):
    viewer = make_user("vera", "viewer")
    viewer.email = viewer.confirmed_email = OWN
    viewer.save()
    return viewer


@pytest.fixture
def api(client, viewer):
    client.force_login(viewer)
    return client


def try_plan(api, plan):
    return api.post(f"{PLANS}{plan.id}/send-test/")


def finish():
    Report.objects.update(state="ready")


def test_an_address_that_a_viewer_chose_gets_no_reports(api, viewer):
    plan = make_plan(viewer)
    assert api.patch(ME, {"email": "rival@example.com"}, content_type=JSON).status_code == 200
    body = {"name": "x", "recipients": ["rival@example.com"]}
    answer = api.post(PLANS, body, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")
    changed = api.patch(f"{PLANS}{plan.id}/", body, content_type=JSON)
    assert changed.status_code == 403
    assert try_plan(api, plan).status_code == 403
    assert not Report.objects.exists()
    answer = api.post(PLANS, {"name": "x", "recipients": [OWN]}, content_type=JSON)
    assert answer.status_code == 201


def test_an_administrator_does_not_send_reports_of_a_viewer_to_others(client, viewer):
    plan = make_plan(viewer)
    client.force_login(make_user("boss", "admin"))
    body = {"recipients": ["rival@example.com"]}
    answer = client.patch(f"{PLANS}{plan.id}/", body, content_type=JSON)
    assert answer.status_code == 403


def test_trials_to_an_address_are_limited_by_the_hour_whatever_is_deleted(api, viewer):
    for _trial in range(MOST_MAILED):
        plan = make_plan(viewer)
        assert try_plan(api, plan).status_code == 202
        api.delete(f"{PLANS}{plan.id}/")
    plan = make_plan(viewer)
    answer = try_plan(api, plan)
    assert (answer.status_code, answer.json()["code"]) == (429, "reports_mailed")
    assert f"{MOST_MAILED} reports" in answer.json()["detail"]
    assert 3500 < int(answer["Retry-After"]) <= 3600
    with time_machine.travel(read_now() + timedelta(minutes=61), tick=False):
        api.force_login(viewer)
        assert try_plan(api, plan).status_code == 202


def test_sending_again_counts_as_well(api, viewer):
    report = make_report(make_plan(viewer))
    report.deliveries.update(recipient=OWN)
    body = {"delivery": report.deliveries.get().id}
    codes = [
        api.post(f"{REPORTS}{report.id}/resend/", body, content_type=JSON).status_code
        for _again in range(MOST_MAILED + 1)
    ]
    assert codes == [200] * MOST_MAILED + [429]
    assert try_plan(api, report.plan).status_code == 429


def test_who_only_views_does_not_send_again_to_others(api, viewer):
    report = make_report(make_plan(viewer))
    body = {"delivery": report.deliveries.get().id}
    answer = api.post(f"{REPORTS}{report.id}/resend/", body, content_type=JSON)
    assert answer.status_code == 403
    assert Delivery.objects.get().state == "failed"


def test_few_reports_of_somebody_are_open_at_once(api, viewer):
    plan = make_plan(viewer)
    codes = [api.post(f"{PLANS}{plan.id}/make/").status_code for _ask in range(MOST_OPEN)]
    assert codes == [202] * MOST_OPEN
    answer = api.post(f"{PLANS}{plan.id}/make/")
    assert (answer.status_code, answer.json()["code"]) == (409, "reports_open")
    assert str(MOST_OPEN) in answer.json()["detail"]
    finish()
    assert api.post(f"{PLANS}{plan.id}/make/").status_code == 202


def test_a_failed_report_is_not_made_again_beside_too_many_open_ones(api, viewer):
    plan = make_plan(viewer)
    failed = make_report(plan, state="failed")
    for _open in range(MOST_OPEN):
        make_report(plan, state="queued")
    answer = api.post(f"{REPORTS}{failed.id}/make-again/")
    assert (answer.status_code, answer.json()["code"]) == (409, "reports_open")


def test_scheduled_reports_that_wait_keep_nobody_from_asking(api, viewer):
    plan = make_plan(viewer)
    for day in range(MOST_OPEN):
        at = read_now() - timedelta(days=day)
        make_report(plan, state="queued", reason="scheduled", start_at=at, end_at=at)
    assert api.post(f"{PLANS}{plan.id}/make/").status_code == 202


def test_somebody_has_so_many_plans(api, viewer):
    rows = [
        ReportPlan(name=f"p{number}", owner=viewer, created_at=read_now())
        for number in range(MOST_PLANS)
    ]
    ReportPlan.objects.bulk_create(rows)
    answer = api.post(PLANS, {"name": "x"}, content_type=JSON)
    assert (answer.status_code, answer.json()["code"]) == (409, "report_plans")
    assert str(MOST_PLANS) in answer.json()["detail"]
    rows[0].delete()
    assert api.post(PLANS, {"name": "x"}, content_type=JSON).status_code == 201
    assert AuditEntry.objects.filter(action="create", object_type="reportplan").count() == 1
