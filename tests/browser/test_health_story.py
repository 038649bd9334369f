"""The story of a falling score: from the tile down to the test, and the input that it lost by."""

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
IN_SERVER = "import django; django.setup()\nfrom tests.browser import unwell\n{work}"


@pytest.fixture(scope="module")
def site(bare_site):
    return bare_site


@pytest.fixture(scope="module")
def lossy(site):
    """The ids of the client that loses packets and of the assignment of its test."""
    work = f"print(*unwell.fill({NAME!r}, {PASSWORD!r}))"
    return site.run_python("-c", IN_SERVER.format(work=work)).split()[-2:]


def read_points(page):
    """What the card says each cause costs, together."""
    texts = page.locator("#health .health-points").all_inner_texts()
    return sum(float(text.lstrip("\N{MINUS SIGN}")) for text in texts)


def read_score(page):
    return int(page.locator("#health .health-figure").inner_text().split("/")[0])


def test_from_the_tile_down_to_what_costs_the_points(visitor, lossy):
    sign_in(visitor, NAME, PASSWORD)
    page = visitor.page
    page.locator("#tiles a", has_text="Health").click()
    expect(page.locator("#health-course canvas")).to_be_visible()
    assert abs(100 - read_points(page) - read_score(page)) <= 1
    for step in ("Vienna", "gateway", "Ping the gateway"):
        page.locator("#members").get_by_role("link", name=step).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(step)
        assert abs(100 - read_points(page) - read_score(page)) <= 1
    assert page.url.endswith(f"/health/assignments/{lossy[1]}/")
    expect(page.locator("#health .health-causes tbody tr")).to_contain_text("Loss")
    page.get_by_role("link", name="7 days").click()
    expect(page).to_have_url(f"{visitor.base_url}/health/assignments/{lossy[1]}/?range=7d")
    expect(page.locator("#health-course canvas")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_scrolls_sideways(chromium, site, lossy, scheme):
    client_id, assignment_id = lossy
    paths = (
        "/", "/health/", f"/health/clients/{client_id}/", f"/health/assignments/{assignment_id}/",
        "/clients/", "/tests/", f"/clients/{client_id}/",
    )  # fmt: skip
    with visit(chromium, site.base_url, viewport=PHONE, color_scheme=scheme) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        for path in paths:
            visitor.open(path)
            assert visitor.read_width() <= PHONE["width"], path
        assert visitor.faults == []
