"""The story of a finding: reached by a chart or by keys, and told what it was, for all to see."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
IN_SERVER = "import django; django.setup()\nfrom tests.browser import unusual\n{work}"


@pytest.fixture(scope="module")
def site(bare_site):
    return bare_site


@pytest.fixture(scope="module")
def client_id(site):
    work = f"print(unusual.fill({NAME!r}, {PASSWORD!r}))"
    return site.run_python("-c", IN_SERVER.format(work=work)).split()[-1]


def keep_picture(page, name):
    if folder := os.environ.get("STREAMSWARM_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.fixture(params=[("light", WIDE), ("dark", WIDE), ("light", PHONE)])
def visitor(request, chromium, site, client_id):
    scheme, viewport = request.param
    with visit(chromium, site.base_url, viewport=viewport, color_scheme=scheme) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        yield visitor
        assert visitor.faults == []


def test_a_line_of_the_ribbon_leads_to_its_finding_which_is_told_what_it_was(visitor, client_id):
    page = visitor.page
    visitor.open(f"/clients/{client_id}/?range=6h")
    page.locator("#panels .panel-unusual a").first.click()
    page.wait_for_url(re.compile("/findings/[0-9a-f-]{36}/"))
    expect(page.locator("h1")).to_contain_text("outside the range of the last 14 days by")
    expect(page.locator("#panels .panel")).to_have_count(1)
    page.get_by_role("button", name="Not a problem").click()
    expect(page.locator(".feedback-words li")).to_contain_text("Not a problem")
    page.get_by_label("What it was").select_option("host_busy")
    page.get_by_label("Note").fill("the nightly backup")
    page.get_by_role("button", name="Say so").click()
    expect(page.locator(".feedback-words li")).to_have_count(1)
    expect(page.locator(".feedback-words li")).to_contain_text("the nightly backup")
    expect(page.locator("#panels .panel-unusual li").first).to_be_visible()
    size = visitor.page.viewport_size
    keep_picture(page, f"finding-{size['width']}")
    assert visitor.read_width() <= size["width"]
    page.get_by_role("button", name="Take mine back").click()
    expect(page.locator("#feedback .feedback-none")).to_be_visible()


def test_many_metrics_are_one_line_which_keys_reach_choose_and_open(visitor):
    page = visitor.page
    visitor.open("/findings/")
    rows = page.locator(".finding-row")
    expect(rows.first).to_contain_text("findings at one time")
    page.keyboard.press("j")
    expect(page.locator("[data-open]:focus")).to_have_count(1)
    page.keyboard.press("x")
    expect(page.locator(".bulk-count")).to_have_text("1 chosen")
    keep_picture(page, f"findings-{page.viewport_size['width']}")
    assert visitor.read_width() <= page.viewport_size["width"]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/findings/[0-9a-f-]{36}/"))


def test_what_another_says_appears_by_itself_and_the_chosen_row_stays_chosen(
    chromium, site, client_id
):
    with visit(chromium, site.base_url) as visitor, visit(chromium, site.base_url) as other:
        for one in (visitor, other):
            sign_in(one, NAME, PASSWORD)
            one.open("/findings/?period=all")
        page = visitor.page
        expect(page.locator("#live")).to_contain_text("Live")
        expect(page.locator(".finding-about .tag")).to_have_count(0)
        page.keyboard.press("j")
        page.keyboard.press("x")
        other.page.locator("[data-open]").first.click()
        other.page.get_by_role("button", name="Not a problem").click()
        expect(page.locator(".finding-about .tag")).to_have_text("Not a problem")
        expect(page.locator(".bulk-count")).to_have_text("1 chosen")
        expect(page.locator("[data-open]:focus")).to_have_count(1)
        assert visitor.faults + other.faults == []
