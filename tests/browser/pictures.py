"""What a page looks like, kept as files in the folder that `STREAMSWARM_PICTURES` names."""

from playwright.sync_api import expect

from tests.browser.visitor import WIDE

PHONE = {"width": 390, "height": 844}


def take_pictures(page, folder, name):
    """By day, by night and on a phone, none of which may scroll sideways."""
    expect(page.locator("#live[data-state=connecting]:visible")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    page.evaluate("window.scrollTo(0, 0)")
    for look, scheme, size in (("day", "light", WIDE), ("night", "dark", WIDE),
                               ("phone", "light", PHONE)):  # fmt: skip
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        page.screenshot(path=folder / f"{name}-{look}.png", full_page=True, animations="disabled")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(WIDE)
