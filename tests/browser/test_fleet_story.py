"""The story of an event half a year ago: seen across the fleet, then to the hour."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
FILL = "import django; django.setup()\nfrom tests.browser import year\n{work}"
HOSTS = 11
ODD_ONE = "edge-06"
YEAR_MILLISECONDS = 40_000
SPACE = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def site(bare_site):
    """A server without worker and agent, with a year of twelve hosts."""
    work = f"year.fill({NAME!r}, {PASSWORD!r})\nyear.fill_fleet({HOSTS})"
    bare_site.run_python("-c", FILL.format(work=work))
    return bare_site


@pytest.fixture
def fleet(visitor):
    sign_in(visitor, NAME, PASSWORD)
    visitor.page.get_by_role("navigation", name="Main").get_by_role("link", name="Fleet").click()
    visitor.page.get_by_role("link", name="1 year").click()
    # Nothing is laid out here, and the machine may have much else to do.
    expect(visitor.page).to_have_url(re.compile("range=1y"), timeout=YEAR_MILLISECONDS)
    return visitor.page


def test_a_year_of_every_host_is_drawn_from_its_hours(fleet):
    expect(fleet.locator("#fleet-source")).to_contain_text("hourly values")
    expect(fleet.locator("#fleet-source")).to_contain_text(f"1{SPACE}d means")
    expect(fleet.locator("#fleet-fan .u-legend")).to_contain_text("lowest to highest client")
    expect(fleet.locator("#heat-clients tbody tr")).to_have_count(HOSTS + 1)
    expect(fleet.locator("#heat-hours tbody tr")).to_have_count(24)


def test_a_field_of_half_a_year_ago_leads_to_its_hours(fleet):
    row = fleet.locator("#heat-clients tbody tr").filter(has_text=ODD_ONE)
    row.locator("a:has(.heat-6)").first.click()
    expect(fleet).to_have_url(re.compile(r"/clients/.+\?start="))
    resolution = fleet.locator("#panels .panel:first-child .panel-resolution")
    expect(resolution).to_contain_text(f"1{SPACE}h means")


def test_a_drag_across_the_chart_looks_closer(fleet):
    box = fleet.locator("#fleet-fan .u-over").bounding_box()
    height = box["y"] + box["height"] / 2
    fleet.mouse.move(box["x"] + box["width"] / 4, height)
    fleet.mouse.down()
    fleet.mouse.move(box["x"] + box["width"] / 3, height, steps=5)
    fleet.mouse.up()
    expect(fleet).to_have_url(re.compile(r"start=\S+Z&end=\S+Z"))
    expect(fleet.locator("#fleet-source")).to_contain_text(f"2{SPACE}h means")
    expect(fleet.locator("#fleet-fan .u-over")).to_be_visible()


def test_another_metric_is_chosen(fleet):
    fleet.select_option("#fleet-key", "system.memory.utilization")
    url = re.compile(r"key=system\.memory\.utilization")
    expect(fleet).to_have_url(url, timeout=YEAR_MILLISECONDS)
    expect(fleet.locator(".panel figcaption")).to_contain_text("Memory: In use")


def test_the_fleet_fits_a_phone(chromium, site):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        visitor.open("/fleet/?range=1y")
        visitor.page.wait_for_load_state("networkidle")
        assert visitor.read_width() <= PHONE["width"]
        assert visitor.faults == []
