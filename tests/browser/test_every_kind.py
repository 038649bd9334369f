"""Every kind of test, from its form to the page of its run, on a network whose truth is known.

With `STREAMSWARM_PICTURES=FOLDER` each form, test and run is left there as a picture: by day, by
night, and on a phone.
"""

import re
import shutil
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect

from apps.tests.kinds import KINDS
from streamswarm_agent.laboratory.namespaces import explain_missing
from tests.browser.branches import open_branches
from tests.browser.conftest import QUICK
from tests.browser.people import sign_in
from tests.browser.pictures import take_pictures
from tests.browser.visitor import visit
from tests.flows.api_user import PASSWORD, ApiUser
from tests.servers.embedded import run_embedded
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LATER = "2036-01-01T00:00"
RUN_SECONDS = 180
# In a short run of all tests these two stand for the others.
IN_SHORT = {"dns", "udp_session"}
ASK_SECONDS = 0.5
OVER = frozenset({"finished", "failed", "nonstart", "missed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Trial:
    """A test as somebody types it; `card` is what the page of its run must show besides figures.

    Clients are names of branches; `hub` makes it a pair or a star. Text may name an address of the
    far site in braces.
    """

    kind: str
    card: str
    target: str = ""
    clients: tuple[str, ...] = ("oslo",)
    seconds: float = 8
    hub: str = ""
    topology: str = ""
    parameters: dict[str, object] = field(default_factory=dict)
    runs: int = 1
    # None where it depends on the machine.
    is_success: bool | None = True


TRIALS = {
    "ping": Trial("ping", "", "{shop}", parameters={"interval_seconds": 0.1}),
    "tcp": Trial("tcp", "TCP", "shop.lab.example", parameters={"port": 443}),
    "http": Trial("http", "", "https://shop.lab.example/"),
    "http_throughput": Trial("http_throughput", "", "https://shop.lab.example/file"),
    "dns": Trial(
        "dns",
        "Resolvers side by side",
        "{shop}",
        parameters={
            "name": "shop.lab.example",
            "resolvers": "{second}, {silent}",
            "is_every_transport_measured": True,
            "is_certificate_verified": False,
        },
    ),
    "tls": Trial("tls", "Certificate", "shop.lab.example"),
    "ntp": Trial(
        "ntp", "Time servers side by side", "{shop}", parameters={"servers": "{second}, {silent}"}
    ),
    "trace": Trial("trace", "", "{shop}"),
    "mtu": Trial("mtu", "", "{shop}"),
    "udp_session": Trial(
        "udp_session", "Both directions", clients=("tromso",), hub="oslo", topology="pair",
        parameters={"interval_seconds": 0.05},
    ),
    "throughput": Trial(
        "throughput", "", clients=("tromso",), hub="oslo", topology="pair", seconds=20
    ),
    "throughput_udp": Trial(
        "throughput", "", clients=("tromso",), hub="oslo", topology="pair", seconds=20,
        parameters={"protocol": "udp", "rate_megabits": 8},
    ),
    "iperf3": Trial(
        "iperf3", "Measured by iperf3", "shop.lab.example", seconds=12,
        parameters={"direction": "both"},
    ),
    "qos": Trial(
        "qos", "", clients=("tromso",), hub="oslo", topology="pair", seconds=12,
        parameters={"has_sweep": True, "sweep_megabits": 40},
    ),
    "host": Trial("host", "What else the host has", seconds=2),
    "hardware": Trial("hardware", "", seconds=2, is_success=None),
    "wifi": Trial("wifi", "No radio", seconds=2, is_success=False),
    "mesh": Trial(
        "udp_session", "Both directions", clients=("oslo", "bergen", "tromso"), topology="mesh",
        runs=6,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def site():
    reason = explain_missing()
    if reason:
        pytest.skip(reason)
    with run_embedded(settings=QUICK, admin_password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def admin(site):
    """The administrator's programs, by a JSON Web Token."""
    return ApiUser(site.base_url, ask_for_token(site))


@pytest.fixture(autouse=True)
def fresh_token(request):
    """A JSON Web Token lasts ten minutes, and all kinds on a busy machine longer."""
    if "admin" in request.fixturenames:
        admin, site = (request.getfixturevalue(name) for name in ("admin", "site"))
        admin.http.headers["Authorization"] = f"Bearer {ask_for_token(site)}"


def ask_for_token(site):
    guest = ApiUser(site.base_url, "")
    body = {"username": "admin", "password": PASSWORD}
    answer = guest.http.post("/api/v1/jwt/", json=body, headers={"Authorization": ""})
    return answer.json()["access"]


@pytest.fixture(scope="module")
def branches(site, admin):
    with open_branches(site, admin) as branches:
        yield branches


@pytest.fixture(scope="module")
def person(chromium, site):
    """Who is signed in and stays so."""
    with visit(chromium, site.base_url) as visitor:
        sign_in(visitor, "admin", PASSWORD)
        yield visitor


def test_every_kind_is_tried():
    assert {trial.kind for trial in TRIALS.values()} == set(KINDS)


@pytest.mark.repeats(*TRIALS.keys() - IN_SHORT)
@pytest.mark.parametrize("name", TRIALS)
def test_a_kind_is_measured_from_its_form_to_the_page_of_its_run(
    person, admin, branches, pictures, name
):
    trial = TRIALS[name]
    if trial.kind == "iperf3" and shutil.which("iperf3") is None:
        pytest.skip("iperf3 is not installed: apt install iperf3")
    fill_form(person.page, trial, branches.addresses, name)
    take_pictures(person.page, pictures, f"{name}-form")
    test_id = make_test(person.page, name)
    run = wait_for_runs(admin, test_id, trial.runs)
    assert run["state"] == "finished", run
    person.open(f"/tests/{test_id}/")
    take_pictures(person.page, pictures, f"{name}-test")
    person.open(f"/runs/{run['id']}/")
    take_pictures(person.page, pictures, f"{name}-run")
    open_drawers(person.page)
    take_pictures(person.page, pictures, f"{name}-opened")
    expect(person.page.locator("main")).to_contain_text(trial.card)
    result = admin.get(f"runs/{run['id']}/")["result"]
    assert trial.is_success in {None, result["is_success"]}, result["reason"]
    if trial.topology == "mesh":
        person.open(f"/tests/{test_id}/mesh/")
        take_pictures(person.page, pictures, f"{name}-mesh")
    assert person.faults == []


@pytest.mark.repeats
def test_a_chart_hatches_the_time_of_an_exclusive_run(person, admin, branches, pictures):
    near, far = (branches.hosts[name].client_id for name in ("oslo", "tromso"))
    steady = admin.create_test("Steady", near, target=branches.addresses["shop"])
    flood = admin.create_test(
        "Flood", far, kind="throughput", target="", topology="pair", hub=near,
        schedule_kind="once", start_at=f"{LATER}Z", duration_seconds=10,
    )  # fmt: skip
    admin.post(f"tests/{flood['id']}/run-now/", {})
    assert wait_for_runs(admin, flood["id"], 1)["state"] == "finished"
    person.open(f"/tests/{steady['id']}/")
    expect(person.page.locator("#disturbed-note")).to_be_visible()
    take_pictures(person.page, pictures, "disturbed-test")
    assert person.faults == []


def fill_form(page, trial, addresses, name):
    page.goto(re.sub(r"(//[^/]+)/.*", r"\1/tests/new/", page.url))
    page.fill("#id_name", f"Every kind: {name}")
    with page.expect_response("**/parameters/**"):
        page.select_option("#id_kind", trial.kind)
    expect(page.locator("#parameters")).to_contain_text(KINDS[trial.kind].schema["description"])
    if trial.target:
        page.fill("#id_target", trial.target.format(**addresses))
    if trial.topology:
        page.select_option("#id_topology", trial.topology)
        page.select_option("#id_hub", label=trial.hub) if trial.hub else None
    for parameter, value in trial.parameters.items():
        fill_field(page.locator(f"#id_{trial.kind}-{parameter}"), value, addresses)
    page.fill("#id_duration_seconds", str(trial.seconds))
    page.fill("#id_sample_interval_seconds", "1")
    page.select_option("#id_schedule_kind", "once")
    page.fill("#id_start_at", LATER)
    for client in trial.clients:
        page.locator(".choosable-row", has_text=client).locator("input").check()


def fill_field(field, value, addresses):
    if isinstance(value, bool):
        field.set_checked(value)
    elif field.evaluate("field => field.localName") == "select":
        field.select_option(str(value))
    else:
        field.fill(str(value).format(**addresses))


def make_test(page, name):
    page.get_by_role("button", name="Make the test").click()
    expect(page.locator("h1")).to_have_text(f"Every kind: {name}")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".alert-success")).to_be_visible()
    return re.search(r"/tests/([^/]+)/", page.url)[1]


def wait_for_runs(admin, test_id, count):
    """One of the runs asked for, once so many are over."""
    runs = []

    def are_over():
        runs[:] = [run for run in admin.list_runs(test=test_id) if run["is_on_demand"]]
        return len(runs) >= count and all(run["state"] in OVER for run in runs)

    wait_until(are_over, seconds=RUN_SECONDS, what="the end of its runs", poll_seconds=ASK_SECONDS)
    return runs[0]


def open_drawers(page):
    """All that is folded in the result but the whole of it as JSON."""
    for drawer in page.locator("#findings details:not(.drawer)").all():
        drawer.evaluate("drawer => { drawer.open = true; }")
