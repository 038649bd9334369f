"""Headless Chromium that keeps account of everything a page does wrong."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MILLISECONDS = 30_000
WIDE = {"width": 1280, "height": 900}
OWN_SCHEMES = frozenset({"data", "blob", "about"})


def find_program() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def run_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program(), args=list(OPTIONS))
        yield browser
        browser.close()


@dataclass(slots=True)
class Visitor:
    """A page of a fresh browser profile; `faults` holds what nobody should ever see.

    These are errors on the console, which include violations of the content security policy,
    uncaught exceptions, and requests to another host.
    """

    base_url: str
    page: Page
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        page = self.page
        page.set_default_timeout(TIMEOUT_MILLISECONDS)
        page.on("console", lambda message: self._note(message.type == "error", message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda request: self._note_request(request.url))
        page.on("websocket", lambda socket: self._note_request(socket.url))

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.base_url}{path}")
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"

    def count_requests(self, part: str) -> int:
        """How many addresses with that part were asked for so far."""
        return sum(part in url for url in self.requests)

    def read_width(self) -> int:
        """How wide the page's content is; more than the window means sideways scrolling."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def _note(self, is_fault: bool, text: str) -> None:  # noqa: FBT001 - called by position, here only
        if is_fault:
            self.faults.append(f"{urlsplit(self.page.url).path}: {text}")

    def _note_request(self, url: str) -> None:
        self.requests.append(url)
        parts = urlsplit(url)
        is_own = parts.scheme in OWN_SCHEMES or parts.netloc == urlsplit(self.base_url).netloc
        self._note(not is_own, f"asked {url}")


@contextmanager
def visit(browser: Browser, base_url: str, **options: object) -> Iterator[Visitor]:
    """A visitor with a profile of its own; options are those of a Playwright context."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    visitor = Visitor(base_url, context.new_page())
    visitor.watch()
    yield visitor
    context.close()
