"""What is learned is said where people look: on the run, the test, the client, health, models."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import WIDE, visit
from tests.servers.stack import run_stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
PICTURES = os.environ.get("STREAMSWARM_PICTURES")
IN_SERVER = "import django; django.setup()\nfrom tests.browser import learned\n{work}"
LOOKS = [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]


@pytest.fixture(scope="module")
def site(aside):
    """A server without worker and agent: what is learned is learned by the test."""
    server = run_stack("sqlite", with_worker=False, with_beat=False)
    yield aside(server.__enter__)
    aside(server.__exit__, None, None, None)


@pytest.fixture(scope="module")
def paths(site):
    work = f"print(learned.fill({NAME!r}, {PASSWORD!r}))"
    ids = site.run_python("-c", IN_SERVER.format(work=work)).split()[-5:]
    client_id, test_id, assignment_id, usual_id, odd_id = ids
    return {
        "run": f"/runs/{odd_id}/",
        "usual-run": f"/runs/{usual_id}/",
        "test": f"/tests/{test_id}/?client={client_id}&range=30d",
        "client": f"/clients/{client_id}/?range=30d&usual=range",
        "health-all": "/health/",
        "health": f"/health/assignments/{assignment_id}/",
        "models": "/models/",
        "training": "/training/",
        "capacity": "/capacity/",
        "diagnoses": "/diagnoses/",
        "form": "/tests/new/",
    }


def keep_picture(page, name):
    if PICTURES:
        page.wait_for_timeout(700)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS)
def test_every_page_of_learning_fits_and_has_no_fault(chromium, site, paths, viewport, scheme):
    with visit(chromium, site.base_url, viewport=viewport, color_scheme=scheme) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        for name, path in paths.items():
            visitor.open(path)
            page = visitor.page
            keep_picture(page, f"{name}-{viewport['width']}-{scheme}")
            assert visitor.read_width() <= viewport["width"], name
        assert visitor.faults == []


@pytest.fixture
def visitor(chromium, site):
    with visit(chromium, site.base_url) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        yield visitor
        assert visitor.faults == []


def test_a_result_says_how_unusual_it_is_as_a_whole_and_why(visitor, paths):
    visitor.open(paths["run"])
    whole = visitor.page.locator("#whole")
    expect(whole.get_by_text("unusual", exact=True)).to_be_visible()
    expect(whole).to_contain_text("packet loss")
    expect(whole).to_contain_text("judged when it came in")
    assert whole.locator(".contribution-bar rect").count() >= 2
    visitor.open(paths["usual-run"])
    expect(whole.get_by_text("usual", exact=True)).to_be_visible()


def test_the_test_says_what_comes_next_and_how_far_learning_is(visitor, paths):
    visitor.open(paths["test"])
    coming = visitor.page.locator("#coming")
    for words in ("next run", "in 6 runs (30 min)", "next hour", "Packet loss", "Learned from"):
        expect(coming).to_contain_text(words)
    learning = visitor.page.locator("#learning")
    expect(learning).to_contain_text("learned from")
    visitor.open(paths["client"])
    expect(learning).to_contain_text("the furthest that learns has 37/50 results")


def test_the_hour_ahead_stands_beside_the_score(visitor, paths):
    visitor.open(paths["health"])
    ahead = visitor.page.locator("#health-class")
    for words in ("Goal missed", "Goal kept", "Missed usually", "agree", "random forest"):
        expect(ahead).to_contain_text(words)


def test_of_several_lines_one_has_its_band_and_the_next_by_a_click(visitor, paths):
    visitor.open(paths["client"])
    panel = visitor.page.locator("#panels .panel", has_text="eth0")
    key = panel.locator("button.panel-usual")
    expect(key).to_have_text("Range of 14 days: In")
    # The page itself asks for all lines at once.
    with visitor.page.expect_response(lambda answer: answer.url.count("&key=") == 1) as found:
        key.click()
    expect(key).to_have_text("Range of 14 days: Out")
    [line] = found.value.json()["lines"]
    assert line["usual"]["at"]


def test_a_model_is_promoted_only_after_it_was_said_what_that_does(visitor, paths):
    visitor.open(paths["models"])
    page = visitor.page
    row = page.locator("tr", has_text="Version 2")
    row.get_by_text("Promote", exact=True).click()
    expect(row).to_contain_text("The present champion is kept and can be rolled back to.")
    row.get_by_role("button", name="Promote now").click()
    expect(page.get_by_text("Version 2 is the champion now.")).to_be_visible()
    group = page.locator("section.card", has_text="Version 2")
    group.get_by_text("Roll back", exact=True).click()
    group.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_text("Version 1 is the champion again.")).to_be_visible()
