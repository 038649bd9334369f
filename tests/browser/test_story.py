"""The story of a first evening: set up, sign in, enrol a host, make a test, watch it measure."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import visit
from tests.flows.agents import AgentHost

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
TEST_NAME = "My router"
POINTS_SEEN = 3
HALF_BRIGHT = 128
COUNT_FRAMES = """
() => {
  const body = document.body;
  body.dataset.frames = "0";
  body.addEventListener("live:frame", () => {
    body.dataset.frames = `${+body.dataset.frames + 1}`;
  });
}
"""
READ_BACKGROUND = """
() => {
  const pen = document.createElement("canvas").getContext("2d");
  pen.fillStyle = getComputedStyle(document.body).backgroundColor;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
"""
NEWEST_IN_LEGEND = "#panels .panel .u-legend .u-series:first-child .u-value"


@pytest.fixture(scope="module")
def account(chromium, site, setup_code):
    """The first administrator, made on the page with the code from the screen."""
    with visit(chromium, site.base_url) as visitor:
        page = visitor.page
        visitor.open("/setup/")
        fill_setup(page, "WRONG-CODE")
        expect(page.locator(".field-error")).to_contain_text("not the code")
        expect(page.locator("#id_username")).to_have_value(NAME)
        visitor.faults.clear()  # the browser logs the refusal's status
        fill_setup(page, setup_code)
        expect(page.get_by_text("This server is yours now")).to_be_visible()
        assert visitor.faults == []
    return NAME, PASSWORD


def fill_setup(page, code):
    page.fill("#id_code", code)
    page.fill("#id_username", NAME)
    page.fill("#id_password", PASSWORD)
    page.fill("#id_password_again", PASSWORD)
    page.get_by_role("button", name="Make the account").click()


def sign_in(visitor, account):
    name, password = account
    visitor.open("/")
    page = visitor.page
    page.get_by_label("Username").fill(name)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def enrol_host(visitor, folder):
    """A host enrolled with the token shown on the page, which sees it arrive by itself."""
    page = visitor.page
    visitor.open("/clients/enrol/")
    page.get_by_role("button", name="Make the token").click()
    command = page.locator("#copy-text").inner_text()
    token = re.search(r"--token[ =](\S+)", command)[1]
    assert visitor.base_url in command
    expect(page.get_by_text("Waiting for your agent")).to_be_visible()
    folder.mkdir()
    host = AgentHost(folder)
    result = host.enrol(visitor.base_url, token, "router-host")
    assert result.returncode == 0, result.stderr
    host.start()
    expect(page.locator("#enrolled .arrival")).to_contain_text("router-host is here")
    return host


def make_test(visitor):
    """The test made on the form, at the second attempt: the first has a wrong value."""
    page = visitor.page
    page.get_by_role("link", name="Give it a test").click()
    page.fill("#id_name", TEST_NAME)
    page.fill("#id_target", "127.0.0.1")
    page.fill("#id_duration_seconds", "0.25")
    page.fill("#id_sample_interval_seconds", "0.5")
    page.select_option("#id_schedule_kind", "continuous")
    page.locator(".choosable-row", has_text="router-host").locator("input").check()
    page.get_by_role("button", name="Make the test").click()
    error = page.locator(".field", has=page.locator("#id_duration_seconds")).locator(".field-error")
    expect(error).to_contain_text("from 1 to 86400 seconds")
    expect(page.locator("#id_name")).to_have_value(TEST_NAME)
    expect(page.locator("#id_target")).to_have_value("127.0.0.1")
    expect(page.locator("#id_schedule_kind")).to_have_value("continuous")
    expect(page.locator(".choosable-row input:checked")).to_have_count(1)
    visitor.faults.clear()  # the browser logs the refusal's status
    page.fill("#id_duration_seconds", "5")
    page.get_by_role("button", name="Make the test").click()
    expect(page.locator("h1")).to_have_text(TEST_NAME)


def watch_points_arrive(visitor):
    """Points come over the socket into the chart, which asks for no series meanwhile."""
    page = visitor.page
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#panels .panel").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.evaluate(COUNT_FRAMES)
    asked = visitor.count_requests("history.json")
    newest = page.locator(NEWEST_IN_LEGEND).first
    for _ in range(POINTS_SEEN):
        # The legend names the newest point that is drawn.
        expect(newest).not_to_have_text(newest.inner_text())
    assert int(page.locator("body").get_attribute("data-frames")) >= POINTS_SEEN
    assert visitor.count_requests("history.json") == asked
    assert page.locator("#panels canvas").count() >= 1


def test_from_the_setup_code_to_points_that_arrive_live(visitor, account, host_folder):
    sign_in(visitor, account)
    host = enrol_host(visitor, host_folder)
    try:
        make_test(visitor)
        watch_points_arrive(visitor)
        expect(visitor.page.locator("#runs")).to_contain_text("Finished")
    finally:
        host.end()


@pytest.mark.parametrize(("theme", "scheme"), [("Dark", "light"), ("Light", "dark")])
def test_the_chosen_theme_holds_on_every_page(chromium, site, account, theme, scheme):
    with visit(chromium, site.base_url, color_scheme=scheme) as visitor:
        sign_in(visitor, account)
        visitor.page.get_by_role("button", name=theme, exact=True).click()
        for path in ("/", "/tests/"):
            visitor.open(path)
            root = visitor.page.locator("html")
            expect(root).to_have_attribute("data-bs-theme", theme.lower())
            assert (read_brightness(visitor.page) < HALF_BRIGHT) is (theme == "Dark")
        visitor.page.get_by_role("button", name="System", exact=True).click()
        expect(visitor.page.locator("html")).to_have_class("theme-system")
        assert (read_brightness(visitor.page) < HALF_BRIGHT) is (scheme == "dark")
        assert visitor.faults == []


def read_brightness(page):
    """How bright the page's background is, from 0 to 255, however its colour is written."""
    return sum(page.evaluate(READ_BACKGROUND)) / 3


def list_pages(visitor):
    """Every page a visitor can get to from the menus and lists, one of each kind."""
    page = visitor.page
    paths = ["/", "/clients/", "/tests/", "/runs/", "/clients/enrol/", "/tests/new/"]
    for path, pattern in (("/clients/", "clients"), ("/tests/", "tests"), ("/runs/", "runs")):
        visitor.open(path)
        link = page.locator(f"main a[href^='/{pattern}/'][href*='-']").first
        paths.append(link.get_attribute("href"))
    return paths


def test_no_page_scrolls_sideways_on_a_phone(chromium, site, account):
    with visit(chromium, site.base_url, viewport=PHONE, is_mobile=True, has_touch=True) as visitor:
        sign_in(visitor, account)
        paths = list_pages(visitor)
        widths = {}
        for path in paths:
            visitor.open(path)
            visitor.page.wait_for_load_state("networkidle")
            widths[path] = visitor.read_width()
        assert {path: width for path, width in widths.items() if width > PHONE["width"]} == {}
        assert visitor.faults == []


def test_the_setup_page_closes_for_good(visitor, account):
    answer = visitor.page.goto(f"{visitor.base_url}/setup/")
    assert answer.status == 404
    visitor.faults.clear()  # the browser logs the refusal's status
