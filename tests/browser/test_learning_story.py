"""The story of a path that was learned: sixty results, a model, a fault that it sees, and its heir.

With `STREAMSWARM_PICTURES=FOLDER` its pages are left there as pictures.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import read_now
from apps.ml.learners import LEARNERS
from streamswarm_agent.laboratory.namespaces import explain_missing
from tests.browser.conftest import QUICK
from tests.browser.faulty_branch import open_faulty_branch
from tests.browser.people import sign_in
from tests.browser.pictures import take_pictures
from tests.browser.visitor import visit
from tests.flows.api_user import PASSWORD, become_admin
from tests.flows.past_results import Past, send_past
from tests.servers.stack import run_stack
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.repeats]

CLIENT, TEST = "oslo", "Ping of the shop"
JOINT, NEXT = (str(LEARNERS[kind].title) for kind in ("joint_anomaly", "prediction"))
PROVISIONAL = re.compile(r"learning (6\d|[7-9]\d|1\d\d)/200\s+· trains as provisional")
LOSS = "net.packet.loss.ratio"
LEARNED, PAST_RESULTS = 60, 1500
# So that no hop behind the fault is without a loss by chance.
MANY_ROUNDS = {
    "queries": 10,
    "wait_seconds": 0.4,
    "packets_per_second": 100,
    "resolve_names": False,
}
LEAST_FALL, FULL_SCORE = 20, 100
ASK_SECONDS, UNSEEN_SECONDS = 0.5, 4
# For what planner, agent, worker and page do one after the other on a busy machine.
COLLECT_SECONDS, SETTLE_SECONDS = 400, 240
SETTLE_MILLISECONDS = SETTLE_SECONDS * 1000
# Every word that the state of the newest training comes to show.
WATCH_TRAINING = """
() => {
  window.swarmSeen = [];
  const note = () => {
    const cell = document.querySelector(".training-list tbody tr td:nth-child(2)");
    const text = cell?.innerText.replace(/\\s+/g, " ").trim();
    if (text && text !== window.swarmSeen.at(-1)) window.swarmSeen.push(text);
  };
  new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
  note();
}
"""


@dataclass(frozen=True, slots=True)
class Story:
    """Where it takes place, and who watches; `tests` are ids by kind."""

    site: Any
    admin: Any
    branch: Any
    person: Any
    tests: dict[str, str]
    pictures: Path

    @property
    def page(self):
        return self.person.page

    def keep(self, name):
        take_pictures(self.page, self.pictures, f"learning-{name}")


@pytest.fixture(autouse=True)
def patience():
    """A page on a busy machine takes longer to settle than the five seconds that are usual."""
    expect.set_options(timeout=SETTLE_MILLISECONDS)
    yield
    expect.set_options(timeout=None)


@pytest.fixture(scope="module")
def site(aside):
    """A server with worker and beat, as `make run` starts it, but without an agent of its own."""
    reason = explain_missing()
    if reason:
        pytest.skip(reason)
    server = run_stack("sqlite", settings=QUICK)
    yield aside(server.__enter__)
    aside(server.__exit__, None, None, None)


@pytest.fixture(scope="module")
def admin(site):
    return become_admin(site)


@pytest.fixture(scope="module")
def branch(site, admin):
    with open_faulty_branch(site, admin, CLIENT) as branch:
        yield branch


@pytest.fixture(scope="module")
def person(chromium, site, branch):
    with visit(chromium, site.base_url) as visitor:
        sign_in(visitor, "admin", PASSWORD)
        yield visitor


@pytest.fixture(scope="module")
def tests(admin, branch):
    """What the branch measures, by kind: the one that is learned, and those beside it."""
    client, shop = branch.host.client_id, branch.addresses["shop"]
    each = {"schedule_kind": "every", "sample_interval_seconds": 1}
    made = {
        "ping": admin.create_test(
            TEST, client, target=shop, duration_seconds=1, parameters={"interval_seconds": 0.1}
        ),
        "trace": admin.create_test(
            "Way to the shop", client, kind="trace", target=shop, duration_seconds=5,
            every_seconds=8, parameters=MANY_ROUNDS, **each,
        ),
        "http": admin.create_test(
            "Page of the shop", client, kind="http", target="https://shop.lab.example/",
            duration_seconds=2, every_seconds=5, **each,
        ),
    }  # fmt: skip
    return {kind: test["id"] for kind, test in made.items()}


@pytest.fixture(scope="module")
def story(site, admin, branch, person, tests, pictures):
    return Story(site, admin, branch, person, tests, pictures)


def test_a_path_is_learned_breaks_and_is_learned_anew(story, aside):
    collect(story)
    train(story, 1)
    put_to_use(story)
    well = read_health(story)
    story.keep("health-well")
    story.branch.break_path()
    broken_at = read_now()
    find_unusual_run(story, broken_at)
    see_health_fall(story, well)
    diagnose(story, wait_for_lossy_run(story, broken_at))
    see_findings(story)
    bring_the_past(story, aside)
    train(story, 2)
    promote_and_roll_back(story)
    assert story.person.faults == []


def collect(story):
    """Results of live runs come in until sixty are there; the page says what that is enough for."""
    wait_until(
        lambda: (
            story.admin.get("runs/", test=story.tests["ping"], state="finished")["count"] >= LEARNED
        ),
        seconds=COLLECT_SECONDS,
        what=f"{LEARNED} results",
        poll_seconds=ASK_SECONDS,
    )
    story.person.open("/training/")
    expect(find_line(story.page, JOINT)).to_contain_text(PROVISIONAL)
    waiting = find_line(story.page, NEXT)
    expect(waiting).to_contain_text(re.compile(r"learning \d+/200"))
    expect(waiting.get_by_role("button")).to_have_count(0)
    story.keep("standings")


def find_line(page, title):
    """What can be learned of that kind about the ping."""
    return page.locator(".line", has_text=title).filter(has_text=TEST)


def train(story, number):
    """From the button to the new version, with the progress that the page shows by itself."""
    page = story.page
    story.person.open("/training/")
    find_line(page, JOINT).get_by_role("button").click()
    expect(page.locator(".alert-success")).to_contain_text(f"{JOINT} will be trained.")
    page.evaluate(WATCH_TRAINING)
    newest = page.locator(".training-list tbody tr").first
    expect(newest).to_contain_text(re.compile("Running|Done"))
    story.keep(f"training-{number}")
    expect(newest).to_contain_text("Done")
    seen = page.evaluate("window.swarmSeen")
    # A page asks every two seconds; what is shorter may be over before it is shown.
    if number == 1 and measure_newest_training(story) > UNSEEN_SECONDS:
        assert any(re.match(r"Running \d+\.\d %", words) for words in seen), seen
    expect(newest).to_contain_text(f"version {number}")
    newest.get_by_role("link").first.click()
    expect(page.locator("h1")).to_contain_text(f"version {number}")
    story.keep(f"version-{number}")


def measure_newest_training(story):
    newest = story.admin.get("trainings/")["results"][0]
    begun, ended = (datetime.fromisoformat(newest[name]) for name in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def put_to_use(story):
    """Of so few results the first version may be no better than the baseline; it is used anyway."""
    promote(story, 1)
    expect(find_version(story.page, 1)).to_contain_text("provisional")
    story.keep("models")


def promote(story, number):
    """By a click, where the gate has not done it."""
    page = story.page
    story.person.open("/models/")
    if "Champion" not in find_version(page, number).inner_text():
        press(page, "Promote", page.get_by_label(f"Promote version {number}"))
        expect(page.locator(".alert-success")).to_contain_text("is the champion now")
        expect(page.locator(".model-list")).to_contain_text("Promoted by admin.")
    expect(find_version(page, number)).to_contain_text("Champion")


def press(page, word, button):
    """A button, and the one behind it where it asks again."""
    button.click()
    again = page.get_by_role("button", name=f"{word} now").locator("visible=true")
    expect(again.or_(page.locator(".alert-success")).first).to_be_visible()
    if again.count():
        again.click()


def read_health(story):
    """The score of the ping on this client, on its page, once there is one."""
    assignment_id = story.admin.find_assignment(story.tests["ping"])
    story.person.open(f"/health/assignments/{assignment_id}/?range=15m")
    expect(story.page.locator("#health")).to_contain_text("/ 100")
    return read_score(story.page)


def read_score(page):
    """What the card says; none is as high as it goes."""
    figure = page.locator("#health .health-figure").inner_text().split("/")[0]
    return int(figure) if figure.strip().isdecimal() else FULL_SCORE


def find_unusual_run(story, broken_at):
    """The chart of the test marks what was unusual, and so does that of one of its runs."""
    page = story.page
    story.person.open(f"/tests/{story.tests['ping']}/?range=15m")
    wait_until(
        lambda: shows_mark(page, "packet loss"),
        seconds=SETTLE_SECONDS,
        what="a mark below the chart",
        poll_seconds=ASK_SECONDS,
    )
    story.keep("test")
    for run in list_runs_since(story, "ping", broken_at):
        story.person.open(f"/runs/{run['id']}/")
        if has_lost(run) and count_marks(page):
            story.keep("run")
            return
    raise AssertionError("no page of a run shows what its test's chart shows")


def shows_mark(page, words):
    page.reload()
    count_marks(page)
    return page.locator(".panel-unusual li", has_text=words).count()


def count_marks(page):
    expect(page.locator("#panels canvas").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    return page.locator(".panel-unusual li").count()


def list_runs_since(story, kind, moment):
    """The finished runs of that test that began since then, oldest first."""
    runs = story.admin.list_runs(test=story.tests[kind], state="finished", ordering="-start_at")
    began = [run for run in runs if datetime.fromisoformat(run["started_at"]) >= moment]
    return began[::-1]


def see_findings(story):
    """Both what was unusual and why are in the list of all findings."""
    story.person.open("/findings/")
    for words in ("Unusual as a whole: ", "packet loss", "Loss on the path"):
        expect(story.page.locator("main")).to_contain_text(words)
    story.keep("findings")


def has_lost(run):
    return run["result"]["values"].get(LOSS, 0) > 0


def see_health_fall(story, well):
    """The page follows by itself; what was lost is named."""
    read_health(story)
    page = story.page
    wait_until(
        lambda: read_score(page) <= well - LEAST_FALL,
        seconds=SETTLE_SECONDS,
        what="a score that falls",
        poll_seconds=ASK_SECONDS,
    )
    page.reload()
    expect(page.locator("#health caption")).to_have_text(f"Why {read_score(page)}")
    expect(page.locator("#health .health-causes tr").first).to_contain_text("Loss")
    expect(page.locator("#health-course canvas")).to_be_visible()
    story.keep("health-broken")


def diagnose(story, run_id):
    page = story.page
    story.person.open(f"/runs/{run_id}/")
    page.get_by_role("button", name="Diagnose").click()
    expect(page.locator("h1")).to_contain_text("Loss on the path is the first cause")
    words = page.locator(".verdict-first").inner_text()
    assert re.search(r"[\d.]+ % is lost end to end", words), words
    assert re.search(r"Hop 2 \(198\.18\.1\.2\) loses [\d.]+ %, and so do all behind it", words), (
        words
    )
    assert "Open a ticket with who runs hop 2" in words
    story.keep("diagnosis")


def wait_for_lossy_run(story, broken_at):
    """One that began when a trace had seen the broken path."""
    found = []

    def is_there():
        traces = list_runs_since(story, "trace", broken_at)
        if traces:
            traced_at = datetime.fromisoformat(traces[0]["finished_at"])
            runs = list_runs_since(story, "ping", traced_at)
            found[:] = [run["id"] for run in runs if has_lost(run)]
        return found

    wait_until(
        is_there,
        seconds=SETTLE_SECONDS,
        what="a lossy run after a trace of the broken path",
        poll_seconds=ASK_SECONDS,
    )
    return found[0]


def bring_the_past(story, aside):
    """The agent ends; a simulated one goes on as the same client, and sends what was before."""
    for test_id in story.tests.values():
        story.admin.post(f"tests/{test_id}/pause/")
    assert story.branch.host.stop() == 0
    test = story.admin.get(f"tests/{story.tests['ping']}/")
    runs = story.admin.list_runs(test=test["id"], state="finished", ordering="start_at")
    past = Past(
        assignment_id=story.admin.find_assignment(test["id"]),
        revision=test["schedule_revision"],
        usual=runs[0]["result"]["values"],
        count=PAST_RESULTS,
        until=datetime.fromisoformat(runs[0]["started_at"]).timestamp(),
    )
    key = story.branch.host.identity.key
    assert aside(send_past, story.site.base_url, key, past) == PAST_RESULTS
    story.person.open("/training/")
    expect(find_line(story.page, NEXT).get_by_role("button")).to_be_visible()
    story.keep("past")


def promote_and_roll_back(story):
    """Whatever the gate made of the second version, people have the last word."""
    page = story.page
    story.person.open("/models/")
    story.keep("two-versions")
    if "Champion" in find_version(page, 2).inner_text():
        roll_back(page)
    promote(story, 2)
    expect(find_version(page, 1)).to_contain_text("Retired")
    story.keep("promoted")
    roll_back(page)
    expect(page.locator(".model-list")).to_contain_text("Brought back by admin.")
    expect(find_version(page, 2)).to_contain_text("Retired")
    story.keep("rolled-back")


def find_version(page, number):
    name = page.get_by_role("link", name=f"Version {number}")
    return page.locator(".model-list tbody tr").filter(has=name)


def roll_back(page):
    page.goto(page.url)
    press(page, "Roll back", page.locator(".card-more").get_by_text("Roll back", exact=True))
    expect(page.locator(".alert-success")).to_contain_text("Version 1 is the champion again.")
    expect(find_version(page, 1)).to_contain_text("Champion")
