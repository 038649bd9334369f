"""Redis and PostgreSQL hang while a page is open: it says so, goes on as it can, and comes back."""

import re
import signal
import time
from threading import Event

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.people import sign_in
from tests.factories import wire
from tests.faults.postgresql import run_killable_cluster
from tests.faults.uploads import judge_uploads, keep_uploading, wait_for_uploads
from tests.flows.api_user import NAME, PASSWORD, become_admin
from tests.servers.postgresql import MISSING, find_binaries
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.postgresql]

PACE_SECONDS = 0.25
# What is promised is some ten seconds each; the machine may be busy with other tests.
NOTICE_MILLISECONDS = 60_000
# A page waits longer from attempt to attempt, at most 45 s.
RECONNECT_MILLISECONDS = 90_000
ANSWER_SECONDS = 60
NEWEST = "#panels .panel:first-child .u-legend .u-series:first-child .u-value"
KEEP_MARK = "document.body.dataset.kept = 'yes'"


@pytest.fixture(scope="module")
def cluster(aside):
    if find_binaries() is None:
        pytest.skip(MISSING)
    killable = run_killable_cluster()
    yield aside(killable.__enter__)
    aside(killable.__exit__, None, None, None)


@pytest.fixture(scope="module")
def site(aside, cluster):
    """A server without worker and agent, so that nothing but the test itself writes."""
    stack = run_stack("postgresql", postgresql=cluster.cluster, with_worker=False, with_beat=False)
    yield aside(stack.__enter__)
    aside(stack.__exit__, None, None, None)


@pytest.fixture(scope="module")
def administrator(site):
    become_admin(site)
    return NAME, PASSWORD


@pytest.fixture
def signed_in(visitor, administrator):
    sign_in(visitor, *administrator)
    return visitor


def make_paced_frames():
    Event().wait(PACE_SECONDS)
    return [wire.frame()], []


def expect_state(page, pattern, *, milliseconds=NOTICE_MILLISECONDS):
    badge = page.locator("#live")
    expect(badge).to_have_attribute("data-state", re.compile(pattern), timeout=milliseconds)
    return badge


def test_while_redis_hangs_a_page_polls_says_so_and_goes_live_again(signed_in, site, fault_journal):
    page = signed_in.page
    with keep_uploading(site, make_paced_frames) as uploads:
        signed_in.open(f"/clients/{uploads.keys[0][0]}/")
        expect_state(page, "live")
        expect(page.locator("#panels .panel").first).to_be_visible()
        page.evaluate(KEEP_MARK)
        redis = site.children["redis"].process
        struck = time.monotonic()
        redis.send_signal(signal.SIGSTOP)
        try:
            badge = expect_state(page, "polling")
            expect(badge).to_contain_text("Polls every 5 s")
            before = page.locator(NEWEST).inner_text()
            wait_for_uploads(uploads)
            expect(page.locator(NEWEST)).not_to_have_text(before, timeout=NOTICE_MILLISECONDS)
        finally:
            redis.send_signal(signal.SIGCONT)
        expect_state(page, "live", milliseconds=RECONNECT_MILLISECONDS)
        seconds = time.monotonic() - struck
        expect(page.locator("body")).to_have_attribute("data-kept", "yes")
    verdicts = judge_uploads(site, uploads)
    fault_journal.record(
        5,
        "Redis frozen, seen in the browser",
        *verdicts,
        recovery_seconds=seconds,
        database="PostgreSQL",
    )
    assert all(verdict.is_exactly_once for verdict in verdicts), verdicts
    assert set(uploads.statuses) == {200}
    signed_in.faults.clear()  # the browser logs each attempt to connect that failed


def ask(site, path):
    return httpx.get(f"{site.base_url}{path}", timeout=ANSWER_SECONDS, trust_env=False)


def test_while_the_database_hangs_pages_say_so_and_come_back_by_themselves(
    signed_in, site, cluster
):
    page = signed_in.page
    expect_state(page, "live")
    page.evaluate(KEEP_MARK)
    another = page.context.new_page()
    cluster.freeze()
    try:
        ready = ask(site, "/readyz")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "silent")
        answer = another.goto(f"{site.base_url}/clients/", timeout=NOTICE_MILLISECONDS)
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        expect(another.get_by_text("The database does not answer.")).to_be_visible()
        api = ask(site, "/api/v1/clients/")
        assert (api.status_code, api.json()["code"]) == (503, "database_silent")
        assert ask(site, "/healthz").status_code == 200
        expect_state(page, "stale")
    finally:
        cluster.thaw()
    wait_until(
        lambda: ask(site, "/readyz").status_code == 200, seconds=ANSWER_SECONDS, what="readiness"
    )
    assert another.goto(f"{site.base_url}/clients/").ok
    expect_state(page, "live", milliseconds=RECONNECT_MILLISECONDS)
    expect(page.locator("body")).to_have_attribute("data-kept", "yes")
    signed_in.faults.clear()  # the browser logs each answer that was a refusal
