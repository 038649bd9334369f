"""Signing in with a second factor, and a session that is ended from another browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import visit
from tests.factories.second_factor import compute_code
from tests.servers.embedded import run_embedded

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
END_MILLISECONDS = 10_000


@pytest.fixture(scope="module")
def site():
    """A server whose first user, `admin`, has that password."""
    with run_embedded(admin_password=PASSWORD) as server:
        yield server


def give_password(visitor):
    visitor.open("/accounts/login/")
    visitor.page.fill("[name=login]", "admin")
    visitor.page.fill("[name=password]", PASSWORD)
    visitor.page.get_by_role("button", name="Sign in").click()


def test_a_second_factor_lets_in_and_an_ended_session_leaves_by_itself(chromium, visitor, site):
    page = visitor.page
    give_password(visitor)
    page.get_by_title("My profile").click()
    page.get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Set it up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator(".secret").inner_text().replace(" ", "")
    page.fill("[name=code]", compute_code(secret))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator("#codes code")).to_have_count(10)
    codes = page.locator("#codes code").all_inner_texts()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as text").click()
    assert codes[0] in download.value.path().read_text()
    with visit(chromium, site.base_url, viewport=PHONE, color_scheme="dark") as other:
        give_password(other)
        other.page.get_by_role("link", name="Use a recovery code").click()
        other.page.fill("[name=code]", codes[0])
        other.page.get_by_role("button", name="Sign in").click()
        expect(other.page.locator("#live")).to_have_attribute("data-state", "live")
        for path in ("/profile/sessions/", "/profile/tokens/", "/profile/", "/"):
            other.open(path)
            assert other.read_width() <= PHONE["width"], path
        expect(other.page.locator("#live")).to_have_attribute("data-state", "live")
        visitor.open("/profile/sessions/")
        page.get_by_role("button", name="End all other sessions").click()
        other.page.wait_for_url("**/accounts/login/?next=%2F", timeout=END_MILLISECONDS)
        assert other.faults == []
    with visit(chromium, site.base_url) as late:
        give_password(late)
        late.page.fill("[name=code]", compute_code(secret, 1))
        late.page.get_by_role("button", name="Sign in").click()
        expect(late.page.get_by_title("My profile")).to_have_text("admin")
        assert late.faults == []
