"""Two sites: whoever operates one reaches nothing of the other, by any route that takes an id."""

import json
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.test import Client as Browser
from django.urls import resolve
from django_filters.filters import ModelChoiceFilter, ModelMultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend

from apps.accounts.models import AuditEntry
from apps.clients.models import Client
from apps.tests.models import Run, Test
from tests.api import matrix
from tests.api.objects import fill, make_objects
from tests.factories.accounts import bearer, grant, make_token, make_user
from tests.factories.clients import make_client
from tests.factories.kept import keep_rows
from tests.factories.pairs import make_end, make_pair
from tests.factories.tests import make_test

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

SHARED = {
    "api/v1/kinds/<str:name>/",
    "api/v1/prometheus/api/v1/label/<str:label>/values",
    "catalogue/<str:metric>/",
    # Whose rows a download holds is looked at in tests/reports.
    "api/v1/exports/<str:name>",
}
ROUTES_WITH_ID = sorted(
    route for route in {**matrix.API, **matrix.PAGES} if "<" in route and route not in SHARED
)
LISTS = sorted(
    route
    for route, methods in matrix.API.items()
    # The schema's examples name places that are nobody's.
    if "<" not in route and "GET" in methods and route != "api/schema/"
)
BY_ROW = (ModelChoiceFilter, ModelMultipleChoiceFilter)
# What is for administrators of everything belongs to no site.
NOT_OF_A_SITE = {matrix.ADMINISTER}


@pytest.fixture(scope="module")
def sites(django_db_setup, django_db_blocker):
    """What there is here (vienna) and there (berlin)."""
    with keep_rows(django_db_blocker):
        yield make_objects("vienna"), make_objects("berlin")


@pytest.fixture
def local():
    """Somebody who operates vienna and nothing else."""
    return make_user("local", "operator", site="vienna")


@pytest.fixture(params=["session", "token"])
def visit(request, local):
    """Sends a request as the local operator, by session or by token."""
    browser = Browser()
    options = {}
    if request.param == "session":
        browser.force_login(local)
    else:
        options = bearer(make_token(local, "admin"))

    def send(method, path, body=None):
        content = json.dumps({} if body is None else body)
        return browser.generic(method, path, content, content_type="application/json", **options)

    return send


@pytest.mark.parametrize("route", ROUTES_WITH_ID)
def test_no_route_reaches_an_object_of_the_other_site(route, sites, visit):
    _here, there = sites
    count = AuditEntry.objects.count()
    for method in matrix.ROWS[route]:
        answer = visit(method, fill(route, there))
        is_page_of_token = answer.status_code == 302
        assert is_page_of_token or answer.status_code in {403, 404}, (method, route, answer)
        if is_page_of_token:
            assert answer["Location"].startswith("/accounts/login/")
    assert AuditEntry.objects.count() == count
    assert Client.objects.get(id=there["client"]).name == "probe-berlin"


@pytest.mark.parametrize(
    "route",
    [
        route
        for route in ROUTES_WITH_ID
        if route in matrix.API
        and not set(matrix.API[route].values()) & NOT_OF_A_SITE
        and not route.startswith(("api/v1/sessions", "api/v1/exports", "api/v1/report"))
    ],
)
def test_the_same_routes_do_reach_the_own_site(route, sites, visit):
    here, _there = sites
    for method, level in matrix.ROWS[route].items():
        if route.startswith(("api/v1/sites", "api/v1/tags", "api/v1/tokens")) and method != "GET":
            continue
        answer = visit(method, fill(route, here))
        assert answer.status_code not in {401, 403, 404}, (method, route, level, answer.content)
        if method == "DELETE":
            break


@pytest.mark.parametrize(
    "route", [route for route in LISTS if matrix.API[route]["GET"] != matrix.ADMINISTER]
)
def test_no_filter_of_a_list_tells_which_ids_there_are(route):
    view = resolve(f"/{route}").func.cls
    queryset = getattr(view, "queryset", None)
    filterset = DjangoFilterBackend().get_filterset_class(view, queryset)
    found = filterset.base_filters.values() if filterset else []
    # One that takes the ids of all rows alone refuses the others, and so tells them apart.
    assert not [one.field_name for one in found if isinstance(one, BY_ROW)]


@pytest.mark.parametrize(
    ("route", "parameter", "kind"),
    [
        ("reports", "plan", "report_plan"),
        ("findings", "client", "client"),
        ("findings", "test", "test"),
        ("diagnoses", "client", "client"),
        ("diagnoses", "test", "test"),
    ],
)
def test_an_id_of_the_other_site_filters_like_one_that_there_is_not(
    route, parameter, kind, sites, visit
):
    _here, there = sites
    for one in (there[kind], uuid4()):
        answer = visit("GET", f"/api/v1/{route}/?{parameter}={one}")
        assert (answer.status_code, answer.json()["count"]) == (200, 0), answer.content


@pytest.mark.parametrize("route", LISTS)
def test_no_list_shows_anything_of_the_other_site(route, sites, visit):
    here, there = sites
    queries = {
        "api/v1/series/": f"?client={there['client']}&metric=net.rtt.median",
        "api/v1/sources/": f"?client={there['client']}",
    }
    everything = '{client=~".+"}'
    asked = {
        "api/v1/prometheus/api/v1/query": f"?{urlencode({'query': everything})}",
        "api/v1/prometheus/api/v1/series": f"?{urlencode({'match[]': everything})}",
    }
    answer = visit("GET", f"/{route}{(queries | asked).get(route, '')}")
    if route in queries:
        assert answer.status_code == 404
    text = answer.content.decode()
    assert "berlin" not in text
    for name in ("client", "test", "assignment", "run"):
        assert str(there[name]) not in text
    if route in {"api/v1/clients/", "api/v1/runs/", "api/v1/results/", "api/v1/assignments/"}:
        assert str(here["client"]) in text or str(here["run"]) in text


@pytest.mark.parametrize("path", ["tests", "assignments", "runs", "results", "clients"])
def test_no_filter_shows_anything_of_the_other_site(path, sites, visit):
    _here, there = sites
    names = {"clients": "site=berlin", "tests": f"client={there['client']}"}
    query = names.get(path, f"client={there['client']}&test={there['test']}")
    answer = visit("GET", f"/api/v1/{path}/?{query}")
    assert answer.json()["count"] == 0


def test_a_test_is_never_given_to_another_sites_client(sites, visit):
    here, there = sites
    body = {"clients": [str(there["client"])]}
    for action in ("assign", "run-now"):
        answer = visit("POST", f"/api/v1/tests/{here['test']}/{action}/", body)
        assert answer.status_code == 400
        assert answer.json()["data"]["errors"][0]["field"] == "clients"
    definition = {"name": "x", "kind": "ping", "target": "127.0.0.1", "every_seconds": 600}
    answer = visit("POST", "/api/v1/tests/", {**definition, **body})
    assert answer.status_code == 400
    assert not Test.objects.filter(name="x").exists()


@pytest.mark.parametrize("change", [{"site": "berlin"}, {"site": None}])
@pytest.mark.usefixtures("sites")
def test_the_own_client_is_never_moved_out_of_the_own_hands(sites, visit, change):
    here, _there = sites
    answer = visit("PATCH", f"/api/v1/clients/{here['client']}/", change)
    assert answer.status_code in {400, 403}
    assert Client.objects.get(id=here["client"]).site.slug == "vienna"


def test_an_enrolment_token_is_never_made_for_another_site(sites, visit):
    for site in ("berlin", None):
        answer = visit("POST", "/api/v1/enrolment-tokens/", {"name": "x", "site": site})
        assert answer.status_code in {400, 403}
    answer = visit("POST", "/api/v1/enrolment-tokens/", {"name": "x", "site": "vienna"})
    assert answer.status_code == 201


def test_a_test_that_others_run_too_is_seen_but_not_changed(local, visit):
    mine, other = make_client("mine", site="vienna"), make_client("other", site="berlin")
    shared = make_test("Shared", mine, other)
    path = f"/api/v1/tests/{shared.id}/"
    document = visit("GET", path).json()
    assert document["clients"] == [str(mine.id)]
    for method, tail in (
        ("PATCH", ""), ("PUT", ""), ("DELETE", ""), ("POST", "pause/"), ("POST", "stop/"),
        ("POST", "assign/"), ("POST", "run-now/"),
    ):  # fmt: skip
        assert visit(method, path + tail).status_code == 403, (method, tail)
    own = visit("POST", f"{path}run-now/", {"clients": [str(mine.id)]})
    assert [run["client_name"] for run in own.json()] == ["mine"]


def test_looking_at_one_site_and_operating_another_are_kept_apart(sites, local, visit):
    _here, there = sites
    grant(local, "viewer", site="berlin")
    path = f"/api/v1/clients/{there['client']}/"
    assert visit("GET", path).status_code == 200
    assert visit("PATCH", path, {"name": "x"}).status_code == 404
    assert visit("DELETE", path).status_code == 404
    assert visit("POST", f"/api/v1/tests/{there['test']}/pause/").status_code == 403


def test_an_agents_key_opens_nothing_but_its_own_door(client, sites):
    here, _there = sites
    headers = {"authorization": f"Agent {here['key']}"}
    for route, methods in matrix.API.items():
        if matrix.PUBLIC in methods.values():
            continue
        assert client.get(fill(route, here), headers=headers).status_code == 401, route


@pytest.mark.parametrize("mine", ["near", "far"])
def test_a_pair_is_not_run_by_whoever_operates_one_end_alone(visit, mine):
    sites = {"near": "berlin", "far": "berlin", mine: "vienna"}
    near, far = (make_end(name, site=sites[name]) for name in ("near", "far"))
    pair = make_pair(near, far, kind="udp_session")
    own = near if mine == "near" else far
    answer = visit("POST", f"/api/v1/tests/{pair.test_id}/run-now/", {"clients": [str(own.id)]})
    assert answer.status_code in {403, 404}
    assert not Run.objects.filter(is_on_demand=True).exists()
