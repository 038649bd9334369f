"""What every answer carries, whatever the route and whoever asks."""

import re
from uuid import UUID

import pytest
from django.urls import URLPattern, get_resolver

from streamswarm.wsgi import agent_door
from tests.factories.accounts import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

EXAMPLES = {"uuid": str(UUID(int=1)), "int": "1", "str": "x", "slug": "x", "path": "x"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CONVERTER_PATTERN = re.compile(r"<(?:(\w+):)?\w+>")
GROUP_PATTERN = re.compile(r"\(\?P<\w+>[^)]*\)")


def list_routes(patterns, prefix="/"):
    """A path for each route, with an example in the place of each parameter."""
    for pattern in patterns:
        text = CONVERTER_PATTERN.sub(
            lambda match: EXAMPLES[match[1] or "str"], str(pattern.pattern)
        )
        path = prefix + GROUP_PATTERN.sub("x", text).strip("^$").replace("\\Z", "").replace(
            "\\", ""
        )
        if isinstance(pattern, URLPattern):
            yield path
        else:
            yield from list_routes(pattern.url_patterns, path)


ROUTES = sorted(set(list_routes(get_resolver().url_patterns)))


def check_headers(answer):
    found = {name: answer.headers.get(name) for name in HEADERS}
    assert found == HEADERS
    directives = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert directives["default-src"] in {"'none'", "'self'"}
    assert directives["frame-ancestors"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert not re.search(r"https?:|\*", answer.headers["Content-Security-Policy"])


def test_there_are_routes_of_every_part():
    starts = (
        "/admin/",
        "/accounts/",
        "/api/v1/",
        "/api/v1/agent/",
        "/clients/",
        "/tests/",
        "/runs/",
    )
    assert all(any(route.startswith(start) for route in ROUTES) for start in starts)


@pytest.mark.parametrize("is_signed_in", [True, False], ids=["signed in", "nobody"])
def test_every_route_answers_with_the_protecting_headers(client, is_signed_in):
    user = make_user("administrator", "admin", is_staff=True)
    user.is_superuser = True
    user.save()
    for route in ROUTES:
        if is_signed_in:
            client.force_login(user)
        answer = client.get(route)
        assert answer.status_code < 500, route
        check_headers(answer)


def test_pages_of_ours_run_no_script_but_our_files(client):
    client.force_login(make_user("operator", "operator"))
    for route in ("/", "/clients/", "/tests/", "/runs/"):
        policy = client.get(route).headers["Content-Security-Policy"]
        assert "script-src 'self';" in f"{policy};"
        assert "unsafe" not in policy


def test_the_agents_door_answers_with_its_protecting_headers(rf):
    answer = agent_door.get_response(rf.post("/api/v1/agent/records"))
    assert answer.status_code == 401
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(client):
    make_user("operator", "operator")
    answer = client.post("/accounts/login/", {"login": "operator", "password": PASSWORD})
    session = answer.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert not session["domain"]
    assert client.get("/clients/").status_code == 200


def test_a_form_without_its_token_is_refused():
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("operator", "operator"))
    assert client.post("/preferences/theme/", {"theme": "dark"}).status_code == 403
    assert client.post("/api/v1/tests/", {}, content_type="application/json").status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "x\ny", "[::1]:x"])
def test_a_foreign_host_name_is_refused(client, host):
    assert client.get("/accounts/login/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_host(client, target):
    make_user("operator", "operator")
    answer = client.post(
        "/accounts/login/", {"login": "operator", "password": PASSWORD, "next": target}
    )
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
