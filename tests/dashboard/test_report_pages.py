"""The pages of reports: set up with a live preview, made, downloaded, sent again."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.reports.models import Delivery, Report, ReportPlan
from tests.factories.pictures import make_picture
from tests.factories.reports import PDF, make_plan, make_report

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
FORM = {
    "name": "Vienna",
    "template": "executive",
    "period": "7d",
    "time_zone": "Europe/Vienna",
    "language": "en",
    "accent": "#123456",
    "cadence": "weekly",
    "hour": "7",
    "weekday": "4",
    "month_day": "1",
    "recipients": "ann@example.org, bob@example.org",
    "sections": ["incidents", "summary"],
}


@pytest.fixture
def report(admin):
    return make_report(make_plan(admin))


def test_a_report_is_set_up_with_its_sections_in_the_order_of_the_form(page):
    answer = page.post(reverse("dashboard:new-report-plan"), FORM)
    plan = ReportPlan.objects.get()
    assert answer["Location"] == reverse("dashboard:report-plan", args=[plan.id])
    assert plan.sections == ["incidents", "summary"]
    assert plan.recipients == ["ann@example.org", "bob@example.org"]
    assert (plan.cadence, plan.weekday, plan.accent) == ("weekly", 4, "#123456")


def test_what_is_wrong_stands_at_its_field_and_nothing_is_stored(page):
    answer = page.post(reverse("dashboard:new-report-plan"), {**FORM, "recipients": "ann"})
    assert answer.status_code == 422
    assert "is no e-mail address" in answer.content.decode()
    assert not ReportPlan.objects.exists()


def test_the_preview_is_the_report_and_stores_nothing(page, scene):
    answer = page.post(reverse("dashboard:preview-report"), {**FORM, "sections": ["summary"]})
    text = answer.content.decode()
    assert '<article class="report"' in text
    assert 'lang="en"' in text.partition('<article class="report"')[2].partition(">")[0]
    assert "<h1>Vienna</h1>" in text
    assert "onerror=alert(1)>" not in text
    assert not ReportPlan.objects.filter(name="Vienna").exists()


def test_the_preview_has_the_colour_of_the_form_and_text_that_is_read_on_it(page):
    text = page.post(
        reverse("dashboard:preview-report"), {**FORM, "accent": "#ffee00"}
    ).content.decode()  # fmt: skip
    assert 'data-report-accent="#ffee00"' in text
    assert 'data-report-on-accent="#000000"' in text
    assert "style=" not in text.replace("data:image", "")


def test_the_preview_has_the_logo_that_is_chosen_and_else_that_of_the_plan(page, admin):
    plan = make_plan(admin, logo=make_picture())
    url = reverse("dashboard:preview-report")
    kept = page.post(url, {**FORM, "plan": plan.id}).content.decode()
    assert 'src="data:image/png;base64,' in kept
    chosen = SimpleUploadedFile("logo.png", make_picture(format="JPEG"))
    shown = page.post(url, {**FORM, "plan": plan.id, "logo": chosen}).content.decode()
    assert 'src="data:image/jpeg;base64,' in shown
    without = page.post(url, {**FORM, "plan": plan.id, "is_without_logo": "on"}).content.decode()
    assert "report-logo" not in without


def test_a_logo_that_is_no_picture_is_refused_at_its_field(page):
    drawing = SimpleUploadedFile("logo.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    answer = page.post(reverse("dashboard:new-report-plan"), {**FORM, "logo": drawing})
    assert answer.status_code == 422
    assert "Must be a whole PNG or JPEG picture" in answer.content.decode()


def test_the_preview_does_not_wait_for_when_and_to_whom(page):
    sent = {"recipients": "ann", "hour": "", "month_day": "99", "cadence": "daily"}
    text = page.post(reverse("dashboard:preview-report"), {**FORM, **sent}).content.decode()
    assert '<article class="report"' in text


def test_a_logo_sent_with_what_is_wrong_is_asked_for_again(page):
    chosen = SimpleUploadedFile("logo.png", make_picture())
    sent = {**FORM, "recipients": "ann", "logo": chosen}
    text = page.post(reverse("dashboard:new-report-plan"), sent).content.decode()
    assert "Choose the logo once more" in text
    sent = {**FORM, "recipients": "ann"}
    text = page.post(reverse("dashboard:new-report-plan"), sent).content.decode()
    assert "Choose the logo once more" not in text


def test_the_preview_says_what_is_wrong_with_the_form(page):
    answer = page.post(reverse("dashboard:preview-report"), {**FORM, "period": "decade"})
    assert "field-error" in answer.content.decode()


def test_a_changed_plan_keeps_what_the_form_did_not_touch(page, admin):
    logo = make_picture()
    plan = make_plan(admin, logo=logo, recipients=["ann@example.org"])
    page.post(reverse("dashboard:edit-report-plan", args=[plan.id]), {**FORM, "name": "Graz"})
    plan.refresh_from_db()
    assert (plan.name, bytes(plan.logo)) == ("Graz", logo)
    page.post(
        reverse("dashboard:edit-report-plan", args=[plan.id]), {**FORM, "is_without_logo": "on"}
    )
    plan.refresh_from_db()
    assert plan.logo is None


def test_a_report_asked_for_waits_in_the_history(page, admin):
    plan = make_plan(admin)
    page.post(reverse("dashboard:make-report", args=[plan.id]))
    assert Report.objects.get().state == "queued"
    text = page.get(reverse("dashboard:report-plan", args=[plan.id])).content.decode()
    assert "Waiting" in text


def test_a_report_is_downloaded_as_it_was_made(page, report):
    answer = page.get(reverse("dashboard:report-file", args=[report.id]))
    assert answer.content == PDF
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{report.file_name}"'


def test_the_history_shows_hash_size_and_what_the_mail_server_said(page, report):
    url = reverse("dashboard:report-plan", args=[report.plan_id])
    text = page.get(url).content.decode()
    for words in (report.digest, "3 pages", "ann@example.org", "5 attempts:", "refused"):
        assert words in text


def test_a_failed_message_is_sent_again(page, report):
    delivery = report.deliveries.get()
    page.post(reverse("dashboard:resend-report", args=[delivery.id]))
    assert Delivery.objects.get().state == "waiting"


def test_a_deleted_plan_takes_its_reports_along(page, report):
    page.post(reverse("dashboard:delete-report-plan", args=[report.plan_id]))
    assert not Report.objects.exists()


def test_a_test_without_an_own_address_says_so(page, admin):
    plan = make_plan(admin)
    answer = page.post(reverse("dashboard:try-report", args=[plan.id]), follow=True)
    assert "no e-mail address" in answer.content.decode()
    assert not Report.objects.exists()


def test_a_report_that_failed_is_made_again_and_says_why_nobody_got_it(page, admin):
    report = make_report(make_plan(admin), state="failed", error="too large", digest="")
    report.deliveries.update(attempts=0, error="The report could not be made: too large")
    url = reverse("dashboard:report-plan", args=[report.plan_id])
    text = page.get(url).content.decode()
    assert "The report could not be made: too large" in text
    assert "0 attempts" not in text
    assert reverse("dashboard:resend-report", args=[report.deliveries.get().id]) not in text
    again = reverse("dashboard:remake-report", args=[report.id])
    assert again in text
    page.post(again)
    report.refresh_from_db()
    assert (report.state, report.deliveries.get().state) == ("queued", "waiting")
    assert "could not be made is made again" in page.post(again, follow=True).content.decode()
