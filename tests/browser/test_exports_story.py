"""The story of an export: chosen, estimated, made before one's eyes, handed on, deleted."""

import csv
import hashlib
from io import StringIO

import httpx
import pytest
from playwright.sync_api import expect

from apps.operations.supervisor.programs import describe_worker
from tests.browser.keyboard import find_unlabelled, find_unmarked
from tests.browser.people import sign_in
from tests.browser.pictures import PHONE, take_pictures
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "eva", "a sentence that only I remember"
FILL = (
    "import django; django.setup()\n"
    "from tests.browser import compared\n"
    "compared.fill({!r}, {!r})\n"
    "from benchmarks.measuring.exports import fill_samples\n"
    "fill_samples(1_000_000)"
)
PATIENCE_MILLISECONDS = 90_000


@pytest.fixture(scope="module")
def site(bare_site):
    """A server whose worker the test starts, with two weeks of two hosts and many samples."""
    bare_site.run_python("-c", FILL.format(NAME, PASSWORD))
    return bare_site


@pytest.fixture
def page(visitor):
    sign_in(visitor, NAME, PASSWORD, path="/exports/")
    return visitor.page


def find_rows(page):
    return page.locator(".export-list tbody tr")


def test_without_a_file_the_page_says_what_it_is_for(page, pictures):
    expect(page.get_by_text("No file yet.")).to_be_visible()
    take_pictures(page, pictures, "exports-empty")


def test_what_is_chosen_is_estimated_at_once(page, pictures):
    page.get_by_label("What", exact=True).select_option("runs")
    estimate = page.locator(".export-estimate")
    expect(estimate).to_contain_text("rows")
    every = estimate.inner_text()
    page.get_by_label("Client", exact=True).select_option("edge-1")
    expect(estimate).not_to_have_text(every)
    page.get_by_label("Until", exact=True).fill("2001-01-01T00:00:00")
    page.keyboard.press("Tab")
    expect(estimate).to_contain_text("the file would hold no row")
    take_pictures(page, pictures, "exports-form")


def test_a_file_is_made_before_ones_eyes_handed_on_and_deleted(
    page, visitor, site, aside, pictures
):
    visitor.open("/exports/?dataset=runs&format=csv")
    page.get_by_role("button", name="Make in the background").click()
    expect(find_rows(page).locator(".state")).to_have_text("Waiting")
    visitor.open("/exports/?dataset=samples&format=json")
    page.get_by_role("button", name="Make in the background").click()
    expect(find_rows(page).locator(".state").first).to_have_text("Waiting")
    take_pictures(page, pictures, "exports-waiting")
    page.evaluate("window.isSamePage = true")
    aside(site.start, describe_worker(site.site))
    expect(find_rows(page).locator("progress").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    states = find_rows(page).locator(".state")
    expect(states).to_have_text(["Ready", "Ready"], timeout=PATIENCE_MILLISECONDS)
    assert page.evaluate("window.isSamePage")

    runs = find_rows(page).filter(has_text="Runs")
    digest = runs.locator(".export-digest").inner_text()
    with page.expect_download() as waiting:
        runs.get_by_role("link", name="Download").click()
    content = waiting.value.path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    lines = list(csv.reader(StringIO(content.decode())))
    assert lines[-1] == [f"# complete: {len(lines) - 2} rows"]

    runs.get_by_role("button", name="Link to").click()
    link = page.locator("#copy-text").inner_text()
    take_pictures(page, pictures, "exports-link")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == link
    # Whoever has it needs no session.
    assert httpx.get(link, timeout=60).content == content

    visitor.open("/exports/")
    runs.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The export is deleted.")).to_be_visible()
    expect(find_rows(page)).to_have_count(1)
    assert httpx.get(link, timeout=60).status_code in {403, 404}


def test_nothing_needs_a_mouse_and_every_field_has_a_name(page):
    page.wait_for_load_state("networkidle")
    assert find_unlabelled(page) == []
    assert find_unmarked(page) == []


def test_the_page_fits_a_phone(chromium, site):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, NAME, PASSWORD, path="/exports/")
        for dataset in ("runs", "samples", "findings"):
            visitor.open(f"/exports/?dataset={dataset}")
            visitor.page.wait_for_load_state("networkidle")
            assert visitor.read_width() <= PHONE["width"], dataset
        assert visitor.faults == []
