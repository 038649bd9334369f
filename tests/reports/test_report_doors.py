"""Report plans and reports at the API's doors: logos, and what failed made again."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from apps.accounts.models import AuditEntry
from apps.reports.models import ReportPlan
from tests.factories.accounts import make_user
from tests.factories.pictures import make_picture
from tests.factories.reports import define_plan, make_plan, make_report

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
PLANS = "/api/v1/report-plans/"
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def api(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture
def plan(owner):
    return make_plan(owner)


def put_logo(api, plan, content, *, name="logo.png", media_type="image/png"):
    file = SimpleUploadedFile(name, content, content_type=media_type)
    body = encode_multipart(BOUNDARY, {"logo": file})
    return api.put(f"{PLANS}{plan.id}/logo/", body, content_type=MULTIPART_CONTENT)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_logo_is_put_shown_and_taken_off(api, plan, format):
    picture = make_picture(format=format)
    assert put_logo(api, plan, picture).json()["has_logo"] is True
    shown = api.get(f"{PLANS}{plan.id}/logo/")
    assert (shown.content, shown["Content-Type"]) == (picture, f"image/{format.lower()}")
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert api.delete(f"{PLANS}{plan.id}/logo/").status_code == 204
    assert api.get(f"{PLANS}{plan.id}/").json()["has_logo"] is False
    answer = api.get(f"{PLANS}{plan.id}/logo/")
    assert (answer.status_code, answer.json()["code"]) == (404, "report_plan_without_logo")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SCRIPT, "whole PNG or JPEG"),
        (make_picture(format="GIF"), "whole PNG or JPEG"),
        (make_picture()[:60], "whole PNG or JPEG"),
        (make_picture() + bytes(256 * 1024), "at most 262144 bytes"),
        (make_picture(2001, 1), "at most 2000 by 2000 pixels"),
    ],
)
def test_a_logo_is_known_by_what_it_holds_and_not_by_its_name(api, plan, content, words):
    answer = put_logo(api, plan, content)
    assert answer.status_code == 400
    [error] = answer.json()["data"]["errors"]
    assert error["field"] == "logo"
    assert words in error["detail"]
    assert ReportPlan.objects.get().logo is None


def test_a_picture_with_another_name_is_still_a_picture(api, plan):
    answer = put_logo(api, plan, make_picture(), name="logo.svg", media_type="image/svg+xml")
    assert answer.status_code == 200


def test_a_logo_that_is_not_sent_is_asked_for(api, plan):
    body = encode_multipart(BOUNDARY, {"picture": "x"})
    answer = api.put(f"{PLANS}{plan.id}/logo/", body, content_type=MULTIPART_CONTENT)
    assert answer.status_code == 400
    assert put_logo(api, plan, b"").status_code == 400
    answer = api.put(f"{PLANS}{plan.id}/logo/", {}, content_type="application/json")
    assert answer.status_code == 415


def test_a_changed_plan_keeps_its_logo_and_both_are_in_the_audit(api, plan):
    put_logo(api, plan, make_picture())
    answer = api.patch(f"{PLANS}{plan.id}/", {"hour": 7}, content_type="application/json")
    assert (answer.json()["hour"], answer.json()["has_logo"]) == (7, True)
    first, _second = AuditEntry.objects.filter(action="change").order_by("id")
    assert first.before["logo_bytes"] == 0
    assert first.after["logo_bytes"] == len(make_picture())


def test_a_new_plan_says_that_it_has_no_logo_yet(api):
    body = {"name": define_plan().name}
    answer = api.post(PLANS, body, content_type="application/json")
    assert (answer.status_code, answer.json()["has_logo"]) == (201, False)


def test_the_logo_of_somebody_else_is_not_there(api):
    foreign = make_plan(make_user("otto", "operator"), logo=make_picture())
    assert api.get(f"{PLANS}{foreign.id}/logo/").status_code == 404
    assert put_logo(api, foreign, make_picture()).status_code == 404
    assert api.delete(f"{PLANS}{foreign.id}/logo/").status_code == 404
    assert ReportPlan.objects.get().logo is not None


def test_a_failed_report_says_why_nobody_got_it_and_is_made_again(api, plan):
    report = make_report(plan, state="failed", error="too large")
    report.deliveries.update(error="The report could not be made: too large")
    shown = api.get(f"/api/v1/reports/{report.id}/").json()
    assert shown["deliveries"][0]["error"] == "The report could not be made: too large"
    answer = api.post(f"/api/v1/reports/{report.id}/make-again/")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    assert answer.json()["deliveries"][0]["state"] == "waiting"
    again = api.post(f"/api/v1/reports/{report.id}/make-again/")
    assert (again.status_code, again.json()["code"]) == (409, "report_not_failed")


def test_an_administrator_sees_the_logo_in_the_console(client, plan):
    ReportPlan.objects.update(logo=make_picture())
    boss = make_user("boss", "admin", is_staff=True)
    client.force_login(boss)
    answer = client.get(f"/admin/reports/reportplan/{plan.id}/change/")
    assert '<img src="data:image/png;base64,' in answer.content.decode()
    assert "data:" in answer["Content-Security-Policy"]
