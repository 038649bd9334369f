"""A busy quarter of an hour is marked below its chart, in words, and stands out of the usual."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.browser.visitor import visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a sentence that only I remember"
PHONE = {"width": 390, "height": 844}
IN_SERVER = "import django; django.setup()\nfrom tests.browser import unusual\n{work}"
FIRST = "#panels .panel:first-child"


@pytest.fixture(scope="module")
def site(bare_site):
    return bare_site


@pytest.fixture(scope="module")
def path(site):
    work = f"print(unusual.fill({NAME!r}, {PASSWORD!r}))"
    client_id = site.run_python("-c", IN_SERVER.format(work=work)).split()[-1]
    return f"/clients/{client_id}/?range=6h"


def count_pixels(page, variable):
    """How many pixels of the first chart have about the colour of that variable, over the page."""
    return page.evaluate(
        """([selector, name]) => {
          const canvas = document.querySelector(`${selector} canvas`);
          const probe = document.createElement("canvas").getContext("2d");
          const shown = document.createElement("i");
          shown.style.color = `var(${name})`;
          document.body.append(shown);
          probe.fillStyle = getComputedStyle(shown).color;
          shown.remove();
          probe.fillRect(0, 0, 1, 1);
          const wanted = probe.getImageData(0, 0, 1, 1).data;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let place = 0; place < data.length; place += 4) {
            const isLike = (part) => Math.abs(data[place + part] - wanted[part]) <= 6;
            if ([0, 1, 2, 3].every(isLike)) count += 1;
          }
          return count;
        }""",
        [FIRST, variable],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_ribbon_and_its_sentence_say_what_was_unusual(chromium, site, path, scheme):
    with visit(chromium, site.base_url, viewport=PHONE, color_scheme=scheme) as visitor:
        sign_in(visitor, NAME, PASSWORD)
        visitor.open(path)
        page = visitor.page
        marks = page.locator(f"{FIRST} .panel-unusual li")
        expect(marks.first).to_contain_text("Unusual")
        expect(marks.first).to_contain_text(re.compile("outside the range of the last 14 days by"))
        assert count_pixels(page, "--chart-bad") > 50
        page.select_option("#history-usual", "range")
        expect(page).to_have_url(re.compile("usual=range"))
        expect(page.locator(f"{FIRST} .panel-usual")).to_have_text("Range of 14 days")
        expect(page.locator(f"{FIRST} .panel-usual")).to_be_visible()
        assert count_pixels(page, "--chart-usual") > 1000
        page.select_option("#history-usual", "hour")
        expect(page.locator(f"{FIRST} .panel-usual")).to_have_text("Same hour of the day")
        expect(page.locator(f"{FIRST} .panel-usual")).to_be_visible()
        assert count_pixels(page, "--chart-usual") > 500
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.select_option("#history-usual", "")
        expect(page.locator(f"{FIRST} .panel-usual")).to_be_hidden()
        assert visitor.faults == []
