import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import find_program, run_browser, visit
from tests.servers.embedded import run_embedded
from tests.servers.stack import run_stack

# What a page is to show is waited for on busy machines as well; what never comes fails as before.
PATIENCE_MILLISECONDS = 60_000
QUICK = {"SWARM_HEARTBEAT_SECONDS": "2", "SWARM_HOST_INTERVAL_SECONDS": "2"}


# Not for the session: Playwright's event loop would be in the way of every test after the last.
@pytest.fixture(scope="module")
def chromium():
    if find_program() is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with run_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site():
    """A fresh server, as `make run` starts it, that nobody has set up yet."""
    with run_embedded(settings=QUICK) as server:
        yield server


@pytest.fixture(scope="module")
def setup_code(site):
    return re.search(r"one-time setup code (\S+)", site.read_screen())[1]


@pytest.fixture
def visitor(chromium, site):
    """A visitor who is held to have seen no fault when the test is over."""
    with visit(chromium, site.base_url) as visitor:
        yield visitor
        assert visitor.faults == []


@pytest.fixture(scope="module")
def aside():
    """A thread for what has an event loop of its own, which may not run beside Playwright's.

    It lives as long as what it starts: the end of the thread that started them ends children.
    """
    with ThreadPoolExecutor(1) as thread:
        yield lambda work, *arguments: thread.submit(work, *arguments).result()


@pytest.fixture(scope="module")
def bare_site(aside):
    """A server without worker and agent, so that nothing but the test itself writes."""
    server = run_stack("sqlite", with_worker=False, with_beat=False)
    yield aside(server.__enter__)
    aside(server.__exit__, None, None, None)


@pytest.fixture
def host_folder():
    with tempfile.TemporaryDirectory(prefix="swarm-hosts-") as folder:
        yield Path(folder) / "host"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = Path(os.environ.get("STREAMSWARM_PICTURES") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
