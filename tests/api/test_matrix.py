"""The matrix of routes, methods and people, asked one by one."""

import pytest
from django.db import transaction
from django.test import Client as Browser

from apps.accounts.models import User
from tests.api import matrix
from tests.api.objects import fill, make_objects
from tests.factories.accounts import bearer, make_token, make_user
from tests.factories.clients import agent
from tests.factories.kept import keep_rows

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What each person holds; tokens are an administrator's, so that only their scopes limit them.
SESSIONS = {"newcomer": "", "viewer": "viewer", "operator": "operator", "admin": "admin"}
SCOPES = ("metrics", "read", "write", "admin")
STRONGEST = ("anonymous", "admin", "token admin", "agent")
LEVELS = {
    "newcomer": {matrix.SIGNED_IN},
    "viewer": {matrix.SIGNED_IN, matrix.VIEW, matrix.ASK, matrix.SESSION},
    "operator": {matrix.SIGNED_IN, matrix.VIEW, matrix.ASK, matrix.SESSION, matrix.OPERATE},
    "admin": {
        matrix.SIGNED_IN, matrix.VIEW, matrix.ASK, matrix.SESSION, matrix.OPERATE,
        matrix.ADMINISTER,
    },
    "agent": {matrix.AGENT},
}  # fmt: skip


@pytest.fixture(scope="module")
def objects(django_db_setup, django_db_blocker):
    with keep_rows(django_db_blocker):
        yield make_objects("vienna")


@pytest.fixture(scope="module")
def credentials(objects):
    """The cookies and the keyword arguments of each person's requests."""
    found = {"anonymous": ({}, {}), "agent": ({}, agent(objects["key"]))}
    for name, role in SESSIONS.items():
        browser = Browser()
        browser.force_login(make_user(name, role))
        found[name] = (browser.cookies, {})
    boss = make_user("boss", "admin")
    for scope in SCOPES:
        found[f"token {scope}"] = ({}, bearer(make_token(boss, scope)))
    weak = make_user("weak", "viewer")
    found["viewer's token admin"] = ({}, bearer(make_token(weak, "admin")))
    return found


@pytest.fixture
def people(credentials):
    """The browser that sends each person's requests, and their keyword arguments."""
    found = {}
    for name, (cookies, options) in credentials.items():
        browser = Browser()
        browser.cookies.load(cookies)
        found[name] = (browser, options)
    return found


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
    if level in {matrix.SIGNED_IN, matrix.ASK}:
        return True
    if level == matrix.SESSION or level not in LEVELS[role]:
        return False
    needed = "admin" if level == matrix.ADMINISTER else "read" if method == "GET" else "write"
    return SCOPES.index(scope) >= SCOPES.index(needed)


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
            case = (person, method, path, answer.status_code, getattr(answer, "content", b"")[:200])
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
    for method in sorted(set(METHODS) - set(matrix.ROWS[route])):
        for person in STRONGEST:
            answer = ask(people, person, method, path)
            assert 300 <= answer.status_code < 500, (person, method, path, answer.status_code)


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
    count = User.objects.count()
    client.post(
        "/accounts/signup/", {"username": "x", "password1": "y" * 20, "password2": "y" * 20}
    )
    assert User.objects.count() == count
