import pytest
from django.test import Client, RequestFactory
from django.views.defaults import bad_request, permission_denied, server_error

from tests.dashboard.markup import inspect


@pytest.mark.parametrize(
    ("status", "render"),
    [
        (400, lambda request: bad_request(request, ValueError())),
        (403, lambda request: permission_denied(request, PermissionError())),
        (500, server_error),
    ],
)
def test_framework_errors_have_a_page_of_ours(status, render):
    answer = render(RequestFactory().get("/"))
    text = answer.content.decode()
    assert answer.status_code == status
    assert f'<p class="error-status">{status}</p>' in text
    assert inspect(text).problems == []


def test_an_unknown_address_says_so_and_leads_back(page):
    answer = page.get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


def test_an_unknown_object_says_so(page):
    answer = page.get("/clients/00000000-0000-4000-8000-000000000000/")
    assert answer.status_code == 404
    assert "There is no such client." in answer.content.decode()


def test_a_form_without_its_token_is_refused_in_words(admin):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    answer = client.post("/preferences/theme/", {"theme": "dark"})
    assert answer.status_code == 403
    assert "too old" in answer.content.decode()
