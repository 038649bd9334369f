"""The story of a week that was worse than the one before."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.pictures import take_pictures
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
FILL = (
    "import django; django.setup()\nfrom tests.browser import compared\ncompared.fill({!r}, {!r})"
)
PATIENCE_MILLISECONDS = 40_000


@pytest.fixture(scope="module")
def site(bare_site):
    """A server without worker and agent, with two weeks of two hosts."""
    bare_site.run_python("-c", FILL.format(NAME, PASSWORD))
    return bare_site


def test_what_has_become_worse_is_told_and_leads_there(visitor):
    sign_in(visitor, NAME, PASSWORD)
    page = visitor.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Analysis").click()
    figures = page.locator(".figures .figure")
    expect(figures.first).to_contain_text("Worse", timeout=PATIENCE_MILLISECONDS)
    expect(figures).to_have_count(5)
    expect(page.locator("#heat-receive tbody tr")).to_have_count(7)
    expect(page.get_by_text("10 times something was unusual")).to_be_visible()
    page.get_by_role("link", name="30 days").click()
    expect(page).to_have_url(re.compile("range=30d"), timeout=PATIENCE_MILLISECONDS)
    # The address changes before the page does.
    expect(page.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "true")
    expect(page.locator(".htmx-request, .htmx-added, .htmx-settling")).to_have_count(0)
    page.select_option("select[name=zone]", "UTC")
    expect(page).to_have_url(re.compile("zone=UTC"), timeout=PATIENCE_MILLISECONDS)


def test_the_analysis_is_read_by_night_on_a_phone_and_on_paper(visitor, pictures):
    sign_in(visitor, NAME, PASSWORD)
    visitor.open("/analysis/")
    page = visitor.page
    expect(page.locator(".figures .figure").first).to_contain_text("Worse")
    take_pictures(page, pictures, "analysis")
    printed = page.pdf(path=pictures / "analysis.pdf", format="A4", print_background=True)
    assert printed.startswith(b"%PDF")
    page.emulate_media(media="print")
    for selector in (".side", ".bar", ".analysis .history-times"):
        expect(page.locator(selector).first).to_be_hidden()
    # What it is about stays on the paper.
    expect(page.locator(".analysis .filters")).to_be_visible()
    expect(page.locator("#heat-receive")).to_be_visible()


def test_the_analysis_fits_a_phone(chromium, site):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        visitor.open("/analysis/")
        visitor.page.wait_for_load_state("networkidle")
        assert visitor.read_width() <= PHONE["width"]
        assert visitor.faults == []
