"""What holds of every page there is; a new page is covered as soon as it has a path."""

import pytest
from django.urls import reverse

from apps.accounts.models import User
from apps.core.clock import read_now
from tests.dashboard.markup import inspect
from tests.dashboard.routes import (
    ACTIONS,
    FOR_ADMINISTRATORS,
    FOR_OPERATORS,
    OWN_ACTIONS,
    OWNED,
    PAGES,
    build_path,
    list_names,
    takes_arguments,
)
from tests.dashboard.scene import build_scene
from tests.factories.accounts import make_user
from tests.factories.kept import keep_rows

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

OTHER_PATHS = ("/accounts/login/", "/accounts/logout/", "/accounts/password/change/", "/setup/")
DIRECTIVES = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def is_text(answer):
    return answer.headers["Content-Type"].startswith("text/html")


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker):
    with keep_rows(django_db_blocker):
        yield build_scene(read_now())


@pytest.fixture
def viewer(db):
    return make_user("vera", "viewer", site="vienna")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_with_the_strict_policy_and_nothing_inline(page, scene, name):
    answer = page.get(build_path(name, scene.vienna))
    policy = set(answer.headers["Content-Security-Policy"].split("; "))
    assert answer.status_code == 200
    assert policy >= DIRECTIVES
    assert not any("unsafe" in directive for directive in policy)
    assert not is_text(answer) or inspect(answer.content.decode()).problems == []


@pytest.mark.parametrize("name", PAGES)
def test_a_part_for_htmx_opens_and_holds_nothing_inline(page, scene, name):
    answer = page.get(build_path(name, scene.vienna), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "HX-Request" in answer.headers["Vary"]
    assert not is_text(answer) or inspect(answer.content.decode()).problems == []


@pytest.mark.parametrize("name", PAGES)
def test_a_nul_in_the_address_is_refused(page, scene, name):
    for query in ("q=%00", "tag=vi%00enna", "%00=x"):
        answer = page.get(f"{build_path(name, scene.vienna)}?{query}")
        assert answer.status_code == 400
        assert "NUL" in answer.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_hostile_names_stay_text(page, scene, name):
    text = page.get(build_path(name, scene.vienna)).content.decode()
    images = inspect(text).images
    assert [source for source in images if not source.startswith("/static/")] == []
    assert "onerror=alert(1)>" not in text
    assert "<script>alert" not in text


@pytest.mark.parametrize("name", [name for name in PAGES if name not in OWNED])
def test_a_viewer_of_one_site_sees_nothing_of_another(client, viewer, scene, name):
    client.force_login(viewer)
    answer = client.get(build_path(name, scene.vienna))
    if name in FOR_OPERATORS:
        assert answer.status_code == 403
        return
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "graz" not in text.lower()


@pytest.mark.parametrize("name", [name for name in PAGES if takes_arguments(name)])
def test_an_object_of_another_site_does_not_exist_for_a_viewer(client, viewer, scene, name):
    client.force_login(viewer)
    expected = 403 if name in FOR_OPERATORS else 404
    assert client.get(build_path(name, scene.graz)).status_code == expected


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in PAGES
        if takes_arguments(name) and name not in FOR_ADMINISTRATORS and name not in OWNED
    ],
)
def test_an_object_of_another_site_does_not_exist_for_an_operator(client, scene, name):
    client.force_login(make_user("otto", "operator", site="vienna"))
    assert client.get(build_path(name, scene.vienna)).status_code == 200
    assert client.get(build_path(name, scene.graz)).status_code == 404


@pytest.mark.parametrize("name", [*PAGES, *sorted(ACTIONS)])
def test_nobody_gets_in_without_signing_in(client, scene, name):
    make_user("root", "admin")
    path = build_path(name, scene.vienna)
    answer = client.post(path) if name in ACTIONS else client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", [*PAGES, *sorted(ACTIONS)])
def test_a_user_without_a_role_is_refused(client, scene, name):
    client.force_login(User.objects.create_user("nobody"))
    path = build_path(name, scene.vienna)
    answer = client.post(path) if name in ACTIONS else client.get(path)
    assert answer.status_code == 403


@pytest.mark.parametrize("name", sorted(ACTIONS - OWN_ACTIONS - {"theme"}))
def test_a_viewer_changes_nothing(client, viewer, scene, name):
    client.force_login(viewer)
    assert client.post(build_path(name, scene.vienna)).status_code == 403


@pytest.mark.parametrize("name", sorted(name for name in ACTIONS if takes_arguments(name)))
def test_an_operator_changes_nothing_of_another_site(client, scene, name):
    client.force_login(make_user("otto", "operator", site="vienna"))
    expected = 403 if name in FOR_ADMINISTRATORS else 404
    assert client.post(build_path(name, scene.graz)).status_code == expected


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_is_not_to_be_fetched(page, scene, name):
    assert page.get(build_path(name, scene.vienna)).status_code == 405


def test_the_lists_above_name_only_pages_that_exist():
    assert set(list_names()) >= ACTIONS | FOR_OPERATORS


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_pages_of_accounts_and_errors_have_the_policy_and_nothing_inline(page, path):
    answer = page.get(path, follow=True)
    assert set(answer.headers["Content-Security-Policy"].split("; ")) >= DIRECTIVES
    assert inspect(answer.content.decode()).problems == []


def test_the_session_that_ended_sends_htmx_to_sign_in(client, admin):
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == reverse("account_login")


def test_signing_in_leads_back_to_the_page_that_htmx_kept_fresh(client, admin):
    here = "http://testserver/clients/?site=graz"
    answer = client.get("/clients/", headers={"HX-Request": "true", "HX-Current-URL": here})
    back = "?next=%2Fclients%2F%3Fsite%3Dgraz"
    assert answer.headers["HX-Redirect"] == reverse("account_login") + back


def test_signing_in_never_leads_to_another_host(client, admin):
    here = "http://evil.example/clients/"
    answer = client.get("/clients/", headers={"HX-Request": "true", "HX-Current-URL": here})
    assert answer.headers["HX-Redirect"] == reverse("account_login")
