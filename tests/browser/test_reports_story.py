"""The story of a report: set up by sight, made, mailed, refused, mailed after all, deleted."""

import hashlib
import re

import pytest
from playwright.sync_api import expect

from apps.operations.supervisor.programs import describe_beat
from tests.browser.keyboard import find_unlabelled, find_unmarked
from tests.browser.people import sign_in
from tests.browser.pictures import PHONE, take_pictures
from tests.browser.visitor import visit
from tests.factories.pictures import make_picture
from tests.servers.mail import run_post
from tests.servers.stack import run_stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD, ADDRESS = "eva", "a sentence that only I remember", "eva@example.org"
FILL = "import django; django.setup()\nfrom tests.browser import reported\nreported.fill{!r}"
# The worker prints for seconds, and tries a message again after ten.
PATIENCE_MILLISECONDS = 90_000
REFUSAL = "550 5.1.1 no such mailbox here"


@pytest.fixture(scope="module")
def post(aside):
    server = run_post()
    yield aside(server.__enter__)
    aside(server.__exit__, None, None, None)


@pytest.fixture(scope="module")
def site(aside, post):
    """A server with a worker, two weeks of two hosts, and an engineer.

    Beat comes last: it counts the days that are over.
    """
    server = run_stack("sqlite", with_beat=False)
    stack = aside(server.__enter__)
    stack.run_python("-c", FILL.format((NAME, PASSWORD, ADDRESS, post.port)))
    aside(stack.start, describe_beat(stack.site))
    yield stack
    aside(server.__exit__, None, None, None)


@pytest.fixture
def page(visitor):
    sign_in(visitor, NAME, PASSWORD)
    return visitor.page


def wait_for_preview(page):
    expect(page.locator("#preview .report")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.wait_for_load_state("networkidle")


def read_style(page, selector, name):
    return page.locator(selector).first.evaluate(
        "(element, name) => getComputedStyle(element).getPropertyValue(name)", name
    )


def list_sections(page):
    return page.locator("#preview .report-section > h2").all_inner_texts()


def open_only_plan(visitor):
    visitor.open("/reports/")
    visitor.page.locator("#list tbody .list-name a").first.click()
    expect(visitor.page.get_by_role("button", name="Make it now")).to_be_visible()


def test_a_plan_is_made_by_sight(page, visitor, pictures):
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Reports").click()
    take_pictures(page, pictures, "reports-empty")
    page.get_by_role("link", name="Set up the first report").click()
    wait_for_preview(page)
    page.get_by_label("Title").fill("Network of Vienna")
    page.get_by_label("Period").select_option("7d")
    expect(page.locator("#preview h1")).to_have_text("Network of Vienna")
    expect(page.locator("#preview .report-scope")).to_contain_text("2 clients")
    page.get_by_role("checkbox", name="Vienna", exact=True).check()
    expect(page.locator("#preview .report-scope")).to_contain_text("1 client")

    page.wait_for_load_state("networkidle")
    before = list_sections(page)
    page.get_by_label("Definitions and coverage").uncheck()
    expect(page.locator("#preview .report-section > h2")).to_have_count(len(before) - 1)
    up = page.get_by_role("button", name="Move Incidents up")
    up.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#preview .report-section > h2").first).to_have_text("Incidents")

    page.get_by_label("Colour").fill("#ffd400")
    expect(page.locator("#preview .report[data-report-accent='#ffd400']")).to_be_visible()
    assert read_style(page, "#preview .report-kind", "background-color") == "rgb(255, 212, 0)"
    assert read_style(page, "#preview .report-kind", "color") == "rgb(0, 0, 0)"
    logo = {"name": "logo.png", "mimeType": "image/png", "buffer": make_picture(300, 100)}
    page.get_by_label("Logo").set_input_files(logo)
    expect(page.locator("#preview .report-logo")).to_be_visible()
    take_pictures(page, pictures, "reports-form")
    page.get_by_role("button", name="Set up the report").click()
    expect(page.get_by_text("The report is set up.")).to_be_visible()
    take_pictures(page, pictures, "reports-plan-new")


def test_what_is_wrong_is_said_at_its_field(page, visitor, pictures):
    visitor.open("/reports/new/")
    wait_for_preview(page)
    page.get_by_label("Title").fill("Wrong")
    page.get_by_label("Sent").select_option("weekly")
    page.get_by_label("Recipients").fill("nobody")
    page.keyboard.press("Tab")
    drawing = {"name": "logo.png", "mimeType": "image/png", "buffer": b"<svg/>"}
    page.get_by_label("Logo").set_input_files(drawing)
    expect(page.locator("#preview .field-error")).to_contain_text("whole PNG or JPEG picture")
    page.get_by_role("button", name="Set up the report").click()
    field = page.locator(".field", has=page.get_by_label("Recipients"))
    expect(field.locator(".field-error")).to_contain_text("is no e-mail address")
    field = page.locator(".field", has=page.get_by_label("Logo", exact=True))
    expect(field.locator(".field-error")).to_contain_text("whole PNG or JPEG picture")
    take_pictures(page, pictures, "reports-form-errors")
    visitor.faults[:] = [one for one in visitor.faults if "422" not in one]


def test_a_report_is_made_before_ones_eyes_and_downloaded_whole(page, visitor, pictures):
    open_only_plan(visitor)
    page.get_by_role("button", name="Make it now").click()
    page.evaluate("window.isSamePage = true")
    rows = page.locator(".report-list tbody tr")
    expect(rows.locator(".state").first).to_have_text("Ready", timeout=PATIENCE_MILLISECONDS)
    assert page.evaluate("window.isSamePage")
    page.get_by_text("SHA-256").first.click()
    digest = rows.first.locator(".report-digest code").inner_text()
    with page.expect_download() as waiting:
        rows.first.get_by_role("link", name="PDF").click()
    content = waiting.value.path().read_bytes()
    assert content.startswith(b"%PDF")
    assert hashlib.sha256(content).hexdigest() == digest
    (pictures / "report.pdf").write_bytes(content)
    take_pictures(page, pictures, "reports-plan-ready")


def test_a_refused_message_shows_the_servers_words_and_is_tried_again(
    page, visitor, post, pictures
):
    open_only_plan(visitor)
    post.refused[ADDRESS] = REFUSAL
    page.get_by_role("button", name="Send a test to me").click()
    page.evaluate("window.isSamePage = true")
    row = page.locator(".report-list tbody tr").first
    expect(row).to_contain_text("no such mailbox here", timeout=PATIENCE_MILLISECONDS)
    expect(row).to_contain_text("Tried again")
    take_pictures(page, pictures, "reports-plan-refused")
    post.refused.clear()
    expect(row.locator(".report-delivery .state")).to_have_text(
        "Sent", timeout=PATIENCE_MILLISECONDS
    )
    assert page.evaluate("window.isSamePage")
    message = post.wait_for(ADDRESS)
    assert message["Subject"].strip().startswith("Test: Network of Vienna: ")
    attached = [part for part in message.walk() if part.get_content_type() == "application/pdf"]
    page.get_by_text("SHA-256").first.click()
    digest = row.locator(".report-digest code").inner_text()
    assert hashlib.sha256(attached[0].get_content()).hexdigest() == digest
    visitor.open("/reports/")
    take_pictures(page, pictures, "reports-list")


def test_nothing_needs_a_mouse_and_every_field_has_a_name(page, visitor):
    for path in ("/reports/", "/reports/new/"):
        visitor.open(path)
        page.wait_for_load_state("networkidle")
        assert find_unlabelled(page) == []
        assert find_unmarked(page) == []
    open_only_plan(visitor)
    assert find_unlabelled(page) == []
    assert find_unmarked(page) == []


def test_the_pages_fit_a_phone(chromium, site):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        for path in ("/reports/", "/reports/new/"):
            visitor.open(path)
            visitor.page.wait_for_load_state("networkidle")
            assert visitor.read_width() <= PHONE["width"], path
        open_only_plan(visitor)
        assert visitor.read_width() <= PHONE["width"]
        assert visitor.faults == []


def test_a_report_and_its_plan_are_deleted(page, visitor, pictures):
    open_only_plan(visitor)
    rows = page.locator(".report-list tbody tr")
    count = rows.count()
    rows.first.locator("summary.btn").focus()
    page.keyboard.press("Enter")
    take_pictures(page, pictures, "reports-plan-deleting")
    rows.first.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("The report is deleted.")).to_be_visible()
    expect(rows).to_have_count(count - 1)
    page.locator(".page-head summary.btn").focus()
    page.keyboard.press("Enter")
    page.locator(".page-head").get_by_role("button", name="Delete it").click()
    expect(page).to_have_url(re.compile("/reports/$"))
    expect(page.get_by_text("Network of Vienna is deleted.")).to_be_visible()
