"""The story of a year: drawn, looked at closer, compared; and what it costs on disk."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
IN_SERVER = "import django; django.setup()\nfrom tests.browser import year\n{work}"
# Five seconds between two questions, and a loaded machine.
POLL_MILLISECONDS = 40_000
# A page waits longer from attempt to attempt, at most 45 s.
RECONNECT_MILLISECONDS = 90_000
BUCKETS = "#panels .panel:first-child .panel-resolution"
NEWEST = "#panels .panel:first-child .u-legend .u-series:first-child .u-value"


@pytest.fixture(scope="module")
def site(bare_site):
    return bare_site


@pytest.fixture(scope="module")
def year(site):
    """The id of a client with a year of history up to now, and that of its test."""
    work = f"print(*year.fill({NAME!r}, {PASSWORD!r}))"
    return site.run_python("-c", IN_SERVER.format(work=work)).split()[-2:]


@pytest.fixture(autouse=True)
def signed_in(visitor, year):
    sign_in(visitor, NAME, PASSWORD)


def open_client(visitor, year, query=""):
    visitor.open(f"/clients/{year[0]}/{query}")
    expect(visitor.page.locator("#panels .panel").first).to_be_visible()


def read_legends(page):
    return page.locator("#panels .panel").first.locator(".u-legend").inner_text()


def drag_across_first_chart(page):
    """From a quarter to the half of what the first chart shows."""
    box = page.locator("#panels .panel .u-over").first.bounding_box()
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 4, height)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, height, steps=5)
    page.mouse.up()


def test_a_year_is_drawn_by_one_request_and_a_drag_looks_closer(visitor, year):
    page = visitor.page
    open_client(visitor, year)
    page.get_by_role("link", name="1 year").click()
    expect(page).to_have_url(re.compile("range=1y"))
    expect(page.locator(BUCKETS)).to_have_text("1\N{NO-BREAK SPACE}d means")
    asked = visitor.count_requests("history.json")
    drag_across_first_chart(page)
    expect(page).to_have_url(re.compile(r"start=\S+Z&end=\S+Z"))
    # A quarter of a year.
    expect(page.locator(BUCKETS)).to_contain_text("6\N{NO-BREAK SPACE}h means")
    expect(page.locator(".history-span")).to_contain_text("until")
    assert visitor.count_requests("history.json") == asked + 1
    page.go_back()
    expect(page).to_have_url(re.compile("range=1y"))
    expect(page.locator(BUCKETS)).to_have_text("1\N{NO-BREAK SPACE}d means")


def test_a_free_range_is_typed_and_a_wrong_one_is_told(visitor, year):
    page = visitor.page
    open_client(visitor, year)
    page.get_by_text("From … until").click()
    page.fill("#id_start", "2026-01-02T00:00:00")
    page.fill("#id_end", "2026-01-01T00:00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".history-form .field-error")).to_contain_text("later than the start")
    page.fill("#id_start", "2025-12-31T00:00:00")
    page.fill("#id_end", "2026-01-01T00:00:00")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"start=2025-12-31T00%3A00%3A00Z"))
    expect(page.locator(".history-span")).to_contain_text("2026-01-01 00:00:00")


def test_a_band_is_chosen_and_named(visitor, year):
    page = visitor.page
    open_client(visitor, year, "?range=1y")
    legend = page.locator("#panels .panel").first.locator(".u-legend")
    expect(legend).to_contain_text("lowest to highest")
    expect(legend).to_contain_text("median to 95th percentile")
    page.select_option("#history-band", "percentiles")
    expect(page).to_have_url(re.compile("band=percentiles"))
    expect(legend).not_to_contain_text("lowest to highest")
    expect(legend).to_contain_text("median to 95th percentile")
    page.select_option("#history-band", "none")
    expect(page).to_have_url(re.compile("band=none"))
    expect(legend).not_to_contain_text("percentile")


def test_a_comparison_is_drawn_and_told_in_words(visitor, year):
    page = visitor.page
    visitor.open(f"/tests/{year[1]}/?range=30d")
    page.select_option("#history-compare", "previous")
    expect(page).to_have_url(re.compile("compare=previous"))
    latency = page.locator("#panels .panel").first
    expect(latency.locator(".u-legend")).to_contain_text("Previous period")
    # The test answers twice as slowly since 30 days.
    change = latency.locator(".panel-change").first
    expect(change).to_contain_text("worse")
    # The first hours of the time still have quick answers in them.
    expect(change).to_contain_text(re.compile(r"▲ \+(99|100)"))
    expect(change).to_contain_text("10.0\N{NO-BREAK SPACE}ms → 20.0\N{NO-BREAK SPACE}ms")


def test_the_storage_page_has_every_part(visitor, year):
    page = visitor.page
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Storage").click()
    expect(page.locator("#storage tbody tr")).to_have_count(6)
    expect(page.locator("#storage")).to_contain_text("Hourly history")
    assert page.locator("#storage .storage-bar rect").count() == 6


def test_history_and_storage_fit_a_phone(chromium, site, year):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        query = "?range=1y&compare=week"
        for path in (f"/clients/{year[0]}/{query}", f"/tests/{year[1]}/{query}", "/storage/"):
            visitor.open(path)
            visitor.page.wait_for_load_state("networkidle")
            assert visitor.read_width() <= PHONE["width"], path
        assert visitor.faults == []


def test_a_figure_of_runs_is_chosen_compared_and_drawn_in_its_band(chromium, site, visitor, year):
    site.run_python("-c", IN_SERVER.format(work=f"year.add_runs({year[1]!r}, 1000)"))
    page = visitor.page
    visitor.open(f"/tests/{year[1]}/?range=24h&compare=previous")
    page.select_option("#history-figure", "net.rtt.p99")
    expect(page).to_have_url(re.compile("figure=net.rtt.p99"))
    panel = page.locator("#panels .panel").last
    expect(panel.locator("figcaption")).to_contain_text("net.rtt.p99")
    expect(panel.locator(".panel-resolution")).to_contain_text("means of one value a run")
    expect(panel.locator(".u-legend")).to_contain_text("median to 95th percentile")
    expect(panel.locator(".panel-changes")).to_contain_text("nothing was measured")
    page.get_by_role("link", name="6 h").click()
    expect(panel.locator("figcaption")).to_contain_text("net.rtt.p99")
    expect(panel.locator(".panel-changes")).to_contain_text("Mean")
    path = page.url.removeprefix(site.base_url)
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as phone:
        sign_in(phone, NAME, PASSWORD)
        phone.open(path)
        expect(phone.page.locator("#panels .panel").last).to_contain_text("one value a run")
        assert phone.read_width() <= PHONE["width"]
        assert phone.faults == []


def test_without_redis_a_page_polls_and_goes_live_again_with_it(site, aside, visitor, year):
    page = visitor.page
    open_client(visitor, year, "?range=1h")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    before = page.locator(NEWEST).inner_text()
    site.kill9("redis")
    expect(page.locator("#live")).to_have_attribute(
        "data-state", re.compile("reconnecting|polling|stale"), timeout=POLL_MILLISECONDS
    )
    expect(page.locator("#live")).to_contain_text(re.compile("Reconnecting|Polls|Stale"))
    site.run_python("-c", IN_SERVER.format(work=f"year.go_on({year[0]!r})"))
    expect(page.locator(NEWEST)).not_to_have_text(before, timeout=POLL_MILLISECONDS)
    aside(site.restart, "redis")
    expect(page.locator("#live")).to_have_attribute(
        "data-state", "live", timeout=RECONNECT_MILLISECONDS
    )
    visitor.faults.clear()  # the browser logs each attempt to connect that failed
