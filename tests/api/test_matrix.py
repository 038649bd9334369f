"""The matrix of routes, methods and people, asked one by one."""

import re

import pytest
from django.db import transaction
from django.test import Client as Browser

from apps.accounts.models import AuditEntry, Token
from apps.clients.models import EnrolmentToken
from tests.api import matrix
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import agent, make_client, make_enrolment, make_key, make_site, make_tag
from tests.factories.tests import make_assignment, make_result

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What each person holds; tokens are an administrator's, so that only their scopes limit them.
SESSIONS = {"newcomer": "", "viewer": "viewer", "operator": "operator", "admin": "admin"}
SCOPES = ("read", "write", "admin")
LEVELS = {
    "newcomer": {matrix.SIGNED_IN},
    "viewer": {matrix.SIGNED_IN, matrix.VIEW, matrix.SESSION},
    "operator": {matrix.SIGNED_IN, matrix.VIEW, matrix.SESSION, matrix.OPERATE},
    "admin": {
        matrix.SIGNED_IN, matrix.VIEW, matrix.SESSION, matrix.OPERATE, matrix.ADMINISTER,
    },
    "agent": {matrix.AGENT},
}  # fmt: skip


@pytest.fixture
def objects():
    """One of each, by the name that routes have for them."""
    probe = make_client(site="vienna", tags=["edge"])
    result = make_result(make_assignment(probe))
    make_enrolment()
    owner = make_user("owner", "admin")
    make_token(owner, "read")
    return {
        "client": probe.id,
        "test": result.run.assignment.test_id,
        "assignment": result.run.assignment_id,
        "run": result.run_id,
        "site": make_site().id,
        "tag": make_tag().id,
        "token": Token.objects.get().token_key,
        "enrolment": EnrolmentToken.objects.get().id,
        "user": owner.id,
        "audit": AuditEntry.objects.first().id,
        "kind": "ping",
        "key": make_key(probe),
    }


@pytest.fixture
def people(objects):
    """The keyword arguments of each person's requests, and the browser that sends them."""
    found = {"anonymous": (Browser(), {}), "agent": (Browser(), agent(objects["key"]))}
    for name, role in SESSIONS.items():
        browser = Browser()
        browser.force_login(make_user(name, role))
        found[name] = (browser, {})
    boss = make_user("boss", "admin")
    for scope in SCOPES:
        found[f"token {scope}"] = (Browser(), bearer(make_token(boss, scope)))
    weak = make_user("weak", "viewer")
    found["viewer's token admin"] = (Browser(), bearer(make_token(weak, "admin")))
    return found


PLACES = (
    ("enrolment", "enrolment"), ("enrol/", "enrolment"), ("client", "client"), ("test", "test"),
    ("assignment", "assignment"), ("run", "run"), ("result", "run"), ("site", "site"),
    ("tag", "tag"), ("token", "token"), ("user", "user"), ("audit", "audit"), ("kind", "kind"),
)  # fmt: skip


def fill(route, objects):
    """The route with the id of the object that it is about."""
    if "<" not in route:
        return f"/{route}"
    kind = next(name for word, name in PLACES if word in route)
    return "/" + re.sub(r"<[^>]+>", str(objects[kind]), route)


def may(person, level, method):
    """Whether the person holds the level; a token as far as its scope and its user's role go."""
    if level == matrix.PUBLIC:
        return True
    if person == "anonymous":
        return False
    if not person.startswith(("token", "viewer's")):
        return level in LEVELS[person]
    scope = person.rpartition(" ")[2]
    role = "viewer" if person.startswith("viewer's") else "admin"
    if level in (matrix.SIGNED_IN,):
        return True
    if level == matrix.SESSION or level not in LEVELS[role]:
        return False
    needed = 2 if level == matrix.ADMINISTER else 0 if method == "GET" else 1
    return SCOPES.index(scope) >= needed


def ask(people, person, method, path):
    """The status that the person gets; whatever it changes is undone."""
    browser, options = people[person]
    with transaction.atomic():
        answer = browser.generic(method, path, b"{}", content_type="application/json", **options)
        transaction.set_rollback(True)
    return answer


def is_let_in(answer):
    if answer.status_code == 302:
        return not answer["Location"].startswith("/accounts/login/")
    return answer.status_code not in {401, 403}


def test_every_route_has_a_row():
    routes = {route for route, _pattern in matrix.walk()}
    own = {route for route in routes if not route.startswith(matrix.FAMILIES)}
    assert own == set(matrix.ROWS)


@pytest.mark.parametrize("route", [*matrix.API, *matrix.DOOR])
def test_each_method_of_the_api_is_for_whom_the_matrix_says(route, objects, people):
    path = fill(route, objects)
    for method, level in matrix.ROWS[route].items():
        for person in people:
            answer = ask(people, person, method, path)
            case = (person, method, path, answer.status_code, answer.content[:200])
            assert answer.status_code < 500, case
            assert is_let_in(answer) == may(person, level, method), case
            if person == "anonymous" and level != matrix.PUBLIC:
                assert answer.status_code == 401, case


@pytest.mark.parametrize("route", matrix.PAGES)
def test_each_page_is_for_whom_the_matrix_says(route, objects, people):
    path = fill(route, objects)
    for method, level in matrix.ROWS[route].items():
        for person in people:
            answer = ask(people, person, method, path)
            case = (person, method, path, answer.status_code)
            assert answer.status_code < 500, case
            # A page knows sessions only.
            is_allowed = person in SESSIONS and may(person, level, method)
            assert is_let_in(answer) == is_allowed, case


@pytest.mark.parametrize("route", matrix.ROWS)
def test_what_the_matrix_does_not_name_never_succeeds(route, objects, people):
    path = fill(route, objects)
    for method in set(METHODS) - set(matrix.ROWS[route]):
        for person in people:
            answer = ask(people, person, method, path)
            assert 300 <= answer.status_code < 500, (person, method, path, answer.status_code)


def test_the_admin_is_for_administrators_alone(objects, people):
    routes = [route for route, _pattern in matrix.walk() if route == "admin/"]
    assert routes
    for person in people:
        answer = ask(people, person, "GET", "/admin/")
        assert answer.status_code in {302, 403}, person


PUBLIC_ACCOUNT_ROUTES = {
    "accounts/login/",
    "accounts/logout/",
    "accounts/inactive/",
    "accounts/signup/",
    "accounts/password/reset/",
    "accounts/password/reset/done/",
    "accounts/password/reset/key/done/",
    "accounts/confirm-email/",
    "accounts/login/code/confirm/",
    "accounts/2fa/authenticate/",
}


@pytest.mark.parametrize(
    "route",
    [route for route, _ in matrix.walk() if route.startswith("accounts/") and "^" not in route],
)
def test_visitors_reach_only_what_signing_in_needs(client, route):
    answer = client.get(f"/{route}")
    if route in PUBLIC_ACCOUNT_ROUTES:
        assert answer.status_code < 500
    else:
        assert answer.status_code in {302, 401, 403, 404, 405}, route


def test_nobody_signs_up(client):
    make_user("first", "admin")
    client.post("/accounts/signup/", {"username": "x", "password1": "y" * 20, "password2": "y" * 20})
    from apps.accounts.models import User

    assert User.objects.count() == 1
