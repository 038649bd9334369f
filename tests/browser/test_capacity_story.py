"""The story of a disk that fills: found, looked at, and seen ahead in the charts of its host."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
FILL = "import django; django.setup()\nfrom tests.browser import filling\n{work}"


@pytest.fixture(scope="module")
def site(bare_site):
    """A server without worker and agent, with sixty days of hosts whose disks fill."""
    bare_site.run_python("-c", FILL.format(work=f"filling.fill({NAME!r}, {PASSWORD!r})"))
    return bare_site


@pytest.fixture
def capacity(visitor):
    sign_in(visitor, NAME, PASSWORD)
    main = visitor.page.get_by_role("navigation", name="Main")
    main.get_by_role("link", name="Capacity").click()
    # Until then htmx does not listen to the fields yet.
    visitor.page.wait_for_url("**/capacity/", wait_until="load")
    return visitor.page


def test_the_most_urgent_disk_stands_first_with_what_to_do(capacity):
    expect(capacity.locator("#list tbody tr").first).to_contain_text("/srv/archive")
    advice = capacity.locator(".capacity-advice li")
    expect(advice).to_have_count(2)
    expect(advice.nth(1)).to_contain_text("Disk /var on store-1 is full in")
    expect(capacity.locator("#list")).to_contain_text("Learning 30/96 h")
    expect(capacity.locator("#list")).to_contain_text("Not growing")


def test_the_list_is_narrowed_to_memory(capacity):
    capacity.select_option("#capacity-kind", "host")
    expect(capacity).to_have_url(re.compile("kind=host"))
    expect(capacity.locator("#list tbody tr")).to_have_count(1)


def test_a_forecast_shows_its_days_and_its_hours_with_the_margin(capacity):
    capacity.get_by_role("link", name="Disk /var", exact=True).first.click()
    panels = capacity.locator(".panel")
    expect(panels).to_have_count(2)
    expect(panels.nth(0).locator(".u-legend")).to_contain_text("Growth")
    expect(panels.nth(1).locator(".u-legend")).to_contain_text("95 in 100 lie within")
    expect(panels.nth(1)).to_contain_text("better than repeating the day before")


def test_a_switch_shows_the_hours_to_come_in_the_charts_of_the_host(capacity):
    capacity.get_by_role("link", name="store-1").first.click()
    capacity.get_by_role("link", name="30 days").click()
    expect(capacity).to_have_url(re.compile("range=30d"))
    capacity.locator("#history-forecast").check()
    expect(capacity).to_have_url(re.compile("forecast=on"))
    memory = capacity.locator(".panel").filter(has_text="Memory").first
    expect(memory.locator(".panel-resolution")).to_contain_text("forecast: ")
    expect(memory.locator(".u-legend")).to_contain_text("In use, forecast")
    capacity.locator("#history-forecast").uncheck()
    expect(capacity.locator(".u-legend", has_text="forecast")).to_have_count(0)


def test_capacity_fits_a_phone(chromium, site):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        visitor.open("/capacity/")
        expect(visitor.page.locator("#list tbody tr").first).to_be_visible()
        assert visitor.read_width() <= PHONE["width"]
        visitor.page.get_by_role("link", name="Disk /var", exact=True).first.click()
        expect(visitor.page.locator(".u-over").first).to_be_visible()
        assert visitor.read_width() <= PHONE["width"]
        assert visitor.faults == []
