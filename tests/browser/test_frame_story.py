"""Stories of the furnished rooms: who sees what, whose session ends, what waits, who takes over."""

import json
import re
import shutil
import signal
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import QUICK
from tests.browser.people import compute_code, enter, read_step, sign_in, sign_out
from tests.browser.visitor import visit
from tests.flows.agents import enrol_host
from tests.flows.api_user import PASSWORD, ApiUser
from tests.servers.embedded import run_embedded
from tests.servers.mail import run_post
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS, NAME, SENTENCE = "viewer@example.org", "vera", "nobody guesses this sentence"
HERE, THERE = "vienna-host", "graz-host"
REACH_SECONDS = 30
# For what planner, agent and server do one after the other; asked of the server gently, because
# the questions themselves load it.
SETTLE_SECONDS = 90
ASK_SECONDS = 0.5
# The heartbeats are 2 s apart; three missed ones, two looks at them, and a loaded machine.
MOVE_MILLISECONDS = 60_000
END_MILLISECONDS = 10_000
RUNS_AWAITED = 3
SUBSCRIBE = """
(topic) => new Promise((resolve) => {
  const url = new URL("/ws/live/", window.location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  socket.addEventListener("open", () => socket.send(JSON.stringify({ subscribe: [topic] })));
  socket.addEventListener("close", (event) => resolve(event.code));
  socket.addEventListener("message", () => { resolve("served"); socket.close(); });
})
"""


@pytest.fixture(scope="module")
def site():
    with run_embedded(settings=QUICK, admin_password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def admin(site):
    """The administrator's programs, by a JSON Web Token."""
    return ApiUser(site.base_url, ask_token(site, "admin", PASSWORD).json()["access"])


def ask_token(site, username, password, **more):
    body = {"username": username, "password": password, **more}
    return httpx.post(f"{site.base_url}/api/v1/jwt/", json=body, timeout=REACH_SECONDS)


@pytest.fixture(scope="module")
def post():
    with run_post() as post:
        yield post


def change(admin, path, **values):
    answer = admin.http.patch(f"/api/v1/{path}", json=values)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def home(admin):
    """The server's own host, which stands in Vienna; its id."""
    for slug, name in (("vienna", "Vienna"), ("graz", "Graz")):
        admin.post("sites/", {"slug": slug, "name": name})
    admin.post("tags/", {"slug": "edge", "name": "edge"})
    (client,) = admin.get("clients/")["results"]
    change(admin, f"clients/{client['id']}/", name=HERE, site="vienna")
    return client["id"]


@pytest.fixture(scope="module")
def branch(site, admin, home):
    """Two running hosts in Graz, both tagged edge, by their names."""
    token = admin.issue_enrolment_token(site="graz", tags=["edge"], max_uses=2)
    folder = Path(tempfile.mkdtemp(prefix="swarm-hosts-"))
    with ExitStack() as cleanup:
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        hosts = {}
        for name in (f"{THERE}-1", f"{THERE}-2"):
            hosts[name] = enrol_host(folder / name, site.base_url, token, name)
            cleanup.callback(hosts[name].end)
            hosts[name].start()
        for host in hosts.values():
            wait_for_presence(admin, host.client_id, "online")
        yield hosts


def wait_for_presence(admin, client_id, presence):
    wait_until(
        lambda: admin.read_presence(client_id) == presence,
        seconds=REACH_SECONDS,
        what=f"presence {presence}",
    )


@pytest.fixture
def guest(chromium, site):
    """A second visitor, in a browser profile of its own."""
    with visit(chromium, site.base_url) as guest:
        yield guest
        assert guest.faults == []


def wait_for_run(admin, what, **query):
    """The newest run that fits, once there is one."""
    found = []

    def is_there():
        found[:] = admin.list_runs(**query)
        return bool(found)

    wait_until(is_there, seconds=SETTLE_SECONDS, what=what, poll_seconds=ASK_SECONDS)
    return found[0]


# -- a viewer of one site -------------------------------------------------------------------------


def set_mail_server(visitor, port):
    page = visitor.page
    visitor.open("/settings/")
    mail = page.locator("section#mail")
    mail.locator("#id_smtp_server").fill("127.0.0.1")
    mail.locator("#id_smtp_port").fill(str(port))
    mail.locator("#id_smtp_security").select_option("none")
    mail.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("main .alert-success")).to_be_visible()


def invite_viewer(visitor):
    page = visitor.page
    visitor.open("/users/invitations/new/")
    page.fill("#id_email", ADDRESS)
    role = page.locator(".role-row").first
    role.get_by_label("Role").select_option("viewer")
    role.get_by_label("Site").select_option("vienna")
    page.get_by_role("button", name="Invite", exact=True).click()
    expect(page.locator("h1")).to_have_text(ADDRESS)


def read_link(message, base_url):
    text = message.get_body(("plain",)).get_content()
    return re.search(rf"{re.escape(base_url)}(/invitation/\S+/)", text)[1]


def accept(guest, path):
    page = guest.page
    guest.open(path)
    page.fill("#id_username", NAME)
    page.fill("#id_password", SENTENCE)
    page.fill("#id_password_again", SENTENCE)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("Your account is made")).to_be_visible()


def turn_on_second_factor(guest):
    """The app's secret, the time step of the code it was proved by, and a recovery code."""
    page = guest.page
    page.get_by_title("My profile").click()
    page.get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Set it up").click()
    secret = page.locator("code.secret").inner_text().replace(" ", "")
    step = read_step()
    page.locator("input[name=code]").fill(compute_code(secret, step))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.locator("#codes code")).to_have_count(10)
    return secret, step, page.locator("#codes code").first.inner_text()


def sign_in_with_code(guest, secret, used_step):
    """The code that was used before is refused; the next one lets in."""
    page = guest.page
    enter(guest, NAME, SENTENCE)
    page.locator("input[name=code]").fill(compute_code(secret, used_step))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("code")
    guest.faults.clear()  # the browser logs the refusal's status
    # Neighbours of the present time step are taken, so the next is right for a minute.
    page.locator("input[name=code]").fill(compute_code(secret, used_step + 1))
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def check_lists(guest):
    """Each list names what is at the own site and nothing of the other one."""
    for path in ("/", "/clients/", "/tests/", "/runs/", "/search/?q=host", "/places/"):
        guest.open(path)
        main = guest.page.locator("main")
        expect(main).to_contain_text(re.compile("vienna", re.IGNORECASE))
        assert "graz" not in guest.page.content().lower(), path
    guest.open("/search/?q=graz")
    assert "graz-" not in guest.page.locator("main").inner_text().lower()


def check_nothing_to_do(guest, home, test_id):
    """The pages offer no deed that a viewer may not do."""
    page = guest.page
    main = page.locator("main")
    side = page.get_by_role("navigation", name="Main")
    for word in ("Users", "Audit", "Quotas", "Settings", "Administration"):
        assert side.get_by_role("link", name=word).count() == 0
    for path in ("/clients/", "/tests/", "/maintenance/", "/places/", f"/clients/{home}/"):
        guest.open(path)
        assert main.locator("form[method=post]").count() == 0, path
        assert main.locator("a[href*='/new/'], a[href*='/enrol/'], a[href*='/edit/']").count() == 0
    guest.open(f"/tests/{test_id}/")
    assert main.get_by_role("button").count() == 0
    assert main.locator("a[href*='/edit/']").count() == 0


def check_programs(fetch, own_client, paths_there):
    """What REST answers by one of the ways to prove who asks."""
    kinds = ("clients", "tests", "runs", "results", "assignments", "sites")
    listed = {kind: json.loads(fetch(f"/api/v1/{kind}/")[1])["results"] for kind in kinds}
    assert all(listed.values())
    assert [client["id"] for client in listed["clients"]] == [own_client]
    assert [one["slug"] for one in listed["sites"]] == ["vienna"]
    assert "graz" not in repr(listed).lower()
    statuses = {path: fetch(path)[0] for path in paths_there}
    assert statuses == dict.fromkeys(paths_there, 404)


def fetch_by_session(guest, path):
    """The status and the document that the visitor's own browser gets."""
    answer = guest.page.request.get(f"{guest.base_url}{path}")
    return answer.status, answer.text()


def fetch_by_token(site, access, path):
    """The same with a JSON Web Token."""
    headers = {"Authorization": f"Bearer {access}"}
    answer = httpx.get(f"{site.base_url}{path}", headers=headers, timeout=REACH_SECONDS)
    return answer.status_code, answer.text


@pytest.fixture(scope="module")
def tests_of_both(admin, home, branch):
    """A test at each site with a finished run there, and the other site's host."""
    there = branch[f"{THERE}-1"].client_id
    here_test = admin.create_test("Vienna only", home)["id"]
    there_test = admin.create_test("Graz only", there)["id"]
    run = wait_for_run(admin, "a run in Graz", test=there_test, state="finished")["id"]
    wait_for_run(admin, "a run in Vienna", test=here_test, state="finished")
    return here_test, there, there_test, run


def test_an_invited_viewer_of_one_site_sees_only_that_site(
    site, visitor, guest, post, home, tests_of_both
):
    here_test, there, there_test, there_run = tests_of_both
    sign_in(visitor, "admin", PASSWORD)
    set_mail_server(visitor, post.port)
    invite_viewer(visitor)
    link = read_link(post.wait_for(ADDRESS), site.base_url)
    accept(guest, link)
    assert guest.page.request.get(f"{site.base_url}{link}").status == 404
    sign_in(guest, NAME, SENTENCE)
    secret, step, recovery_code = turn_on_second_factor(guest)
    sign_out(guest)
    sign_in_with_code(guest, secret, step)
    check_lists(guest)
    check_nothing_to_do(guest, home, here_test)
    ids = {"clients": there, "tests": there_test, "runs": there_run}
    pages = [f"/{kind}/{id}/" for kind, id in ids.items()]
    documents = [f"/api/v1{path}" for path in pages]
    documents.append(f"/api/v1/sources/?client={there}")
    documents.append(f"/api/v1/clients/{there}/documents/?kind=processes")
    by_session = partial(fetch_by_session, guest)
    assert [by_session(path)[0] for path in pages] == [404, 404, 404]
    check_programs(by_session, home, documents)
    refused = ask_token(site, NAME, SENTENCE)
    assert refused.json()["code"] == "second_factor_code_required"
    access = ask_token(site, NAME, SENTENCE, code=recovery_code).json()["access"]
    check_programs(partial(fetch_by_token, site, access), home, documents)
    assert guest.page.evaluate(SUBSCRIBE, f"client:{home}") == "served"
    for kind, id in ids.items():
        assert guest.page.evaluate(SUBSCRIBE, f"{kind.removesuffix('s')}:{id}") == 4403


# -- a session that is ended elsewhere ------------------------------------------------------------


def test_an_ended_session_goes_to_the_sign_in_page_by_itself(site, admin, visitor, guest):
    role = {"name": "viewer"}
    admin.post("users/", {"username": "ben", "password": SENTENCE, "roles": [role]})
    sign_in(visitor, "ben", SENTENCE)
    sign_in(guest, "ben", SENTENCE, path="/clients/")
    ask = guest.page.request
    assert ask.get(f"{site.base_url}/api/v1/clients/").status == 200
    page = visitor.page
    visitor.open("/profile/sessions/")
    rows = page.locator(".lines .line")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="End", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("this session")
    guest.page.wait_for_url("**/accounts/login/?next=%2Fclients%2F", timeout=END_MILLISECONDS)
    assert ask.get(f"{site.base_url}/api/v1/clients/").status == 401
    visitor.open("/clients/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


# -- a maintenance window -------------------------------------------------------------------------


def make_window(visitor, name):
    """A window for the host in Vienna, each day for an hour, which is going on."""
    page = visitor.page
    visitor.open("/maintenance/new/")
    page.fill("#id_name", name)
    page.select_option("#id_effect", "pause")
    page.fill("#id_starts_at", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M"))
    page.fill("#id_duration_minutes", "60")
    page.select_option("#id_time_zone", "UTC")
    page.select_option("#id_preset", "daily")
    page.locator(".choosable-row", has_text=HERE).locator("input").check()
    expect(page.locator("#preview")).to_contain_text("It means 1 client of yours right now")
    page.get_by_role("button", name="Make the window").click()
    page.wait_for_url("**/maintenance/")
    expect(page.locator("main tr", has_text=name)).to_contain_text("Pauses")


def wait_for_paused_starts(admin, test_id, count):
    """Returns when the planned starts of some paused runs have gone by."""

    def have_passed():
        now = datetime.now(UTC).isoformat()
        return admin.get("runs/", test=test_id, state="paused", before=now)["count"] >= count

    try:
        wait_until(
            have_passed, seconds=SETTLE_SECONDS, what="paused runs", poll_seconds=ASK_SECONDS
        )
    except TimeoutError as error:
        raise AssertionError(describe_runs(admin, test_id)) from error


def describe_runs(admin, test_id):
    """What the runs around now are doing instead of being paused."""
    now = datetime.now(UTC)
    runs = admin.list_runs(test=test_id, before=(now + timedelta(minutes=1)).isoformat())
    lines = [f"{run['start_at']} {run['state']} {run['reason']}" for run in runs]
    return "\n".join([f"now {now.isoformat()}", *lines])


def read_start(run):
    return datetime.fromisoformat(run["start_at"])


def test_a_window_pauses_a_continuous_test_until_it_is_ended(admin, visitor, home):
    role = {"name": "operator", "site_slug": "vienna"}
    admin.post("users/", {"username": "olga", "password": SENTENCE, "roles": [role]})
    test_id = admin.create_test("Uplink", home)["id"]
    page = visitor.page
    sign_in(visitor, "olga", SENTENCE, path=f"/tests/{test_id}/")
    expect(page.locator("#runs")).to_contain_text("Finished")
    make_window(visitor, "Router swap")
    wait_for_paused_starts(admin, test_id, 1)
    wait_until(
        lambda: not admin.list_runs(test=test_id, state="running"),
        seconds=SETTLE_SECONDS,
        what="the end of the last run",
        poll_seconds=ASK_SECONDS,
    )
    rest = datetime.now(UTC).isoformat()
    paused = admin.get("runs/", test=test_id, state="paused", before=rest)["count"]
    wait_for_paused_starts(admin, test_id, paused + RUNS_AWAITED)
    runs = admin.list_runs(test=test_id, after=rest, before=datetime.now(UTC).isoformat())
    assert {(run["state"], run["reason"]) for run in runs} == {
        ("paused", "maintenance: Router swap")
    }
    # One that had begun before may end meanwhile; none begins.
    assert admin.list_runs(test=test_id, state="finished", after=rest) == []
    for path in (f"/tests/{test_id}/", f"/clients/{home}/"):
        visitor.open(path)
        expect(page.locator("#head")).to_contain_text("In maintenance: Router swap")
    visitor.open("/runs/?state=paused")
    expect(page.locator("#list tbody tr").first).to_contain_text("maintenance: Router swap")
    visitor.open("/maintenance/")
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_role("button", name="End now")).to_have_count(0)
    ended_at = datetime.now(UTC)
    visitor.open(f"/tests/{test_id}/")
    expect(page.locator("#head")).not_to_contain_text("In maintenance")
    wait_until(
        lambda: any(
            read_start(run) > ended_at for run in admin.list_runs(test=test_id, state="finished")
        ),
        seconds=SETTLE_SECONDS,
        what="a run after the window",
        poll_seconds=ASK_SECONDS,
    )


# -- a client that is killed ----------------------------------------------------------------------


def find_name(hosts, client_id):
    (name,) = (name for name, host in hosts.items() if host.client_id == client_id)
    return name


def test_a_test_moves_away_from_a_killed_client_and_stays_there(admin, visitor, branch):
    rule = {"selection_kind": "any", "selector": {"tags": ["edge"]}, "wanted_clients": 1}
    test_id = admin.create_test("Any edge", **rule)["id"]
    (first_id,) = admin.get(f"tests/{test_id}/")["clients"]
    first = find_name(branch, first_id)
    (second,) = set(branch) - {first}
    sign_in(visitor, "admin", PASSWORD, path=f"/tests/{test_id}/")
    page = visitor.page
    expect(page.locator("#selection")).to_contain_text("any 1 client tagged edge")
    expect(page.locator("#assigned tbody tr")).to_contain_text(first)
    expect(page.locator("#assigned tbody tr")).to_contain_text("Passing")
    branch[first].stop(signal.SIGKILL)
    row = page.locator("#assigned tbody tr", has_text=second)
    expect(row).to_contain_text("Passing", timeout=MOVE_MILLISECONDS)
    expect(page.locator("#assigned tbody tr")).to_have_count(1)
    page.get_by_text("Who came and who went").click()
    newest = page.locator("#selection .line").first
    expect(newest).to_contain_text(f"+ {second}")
    expect(newest).to_contain_text(f"\N{MINUS SIGN} {first}")
    expect(newest).to_contain_text("offline for 3 heartbeats")
    branch[first].start()
    wait_for_presence(admin, first_id, "online")
    back_at = datetime.now(UTC)
    second_id = branch[second].client_id
    wait_until(
        lambda: (
            sum(
                read_start(run) > back_at
                for run in admin.list_runs(test=test_id, client=second_id, state="finished")
            )
            >= RUNS_AWAITED
        ),
        seconds=SETTLE_SECONDS,
        what="runs after the first is back",
        poll_seconds=ASK_SECONDS,
    )
    assert admin.get(f"tests/{test_id}/")["clients"] == [second_id]
    later = admin.list_runs(test=test_id, client=first_id)
    assert all(read_start(run) < back_at for run in later if run["state"] != "cancelled")
